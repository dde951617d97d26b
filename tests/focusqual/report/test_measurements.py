import numpy as np
import pandas as pd
import pytest

from focusqual.report.tables import read_measurements
from micrograph_networks.errors import UserError

HEAD = "image,score,expected_level,certainty"


@pytest.fixture
def read(tmp_path):
    """A function that writes a table and reads it as measurements."""

    def write_and_read(rows, columns=HEAD, image=None):
        path = tmp_path / "table.csv"
        path.write_text("\n".join([columns, *rows]) + "\n")
        return read_measurements(path, image)

    return write_and_read


def test_focus_table_with_wells_and_sites_in_names(read):
    images = read(["p_B03_s2.tif,1,1.5,0.5", "p_b03_s1.tif,0,0.25,0.75", "none.tif,,,"])
    assert images["image"].tolist() == ["p_B03_s2.tif", "p_b03_s1.tif", "none.tif"]
    assert images["well"].tolist() == ["B03", "B03", ""]
    assert images[["row", "col", "site"]].to_numpy().tolist() == [[1, 2, 1], [1, 2, 0], [-1] * 3]
    assert images["expected_level"].tolist()[:2] == [1.5, 0.25]
    assert images["measured"].tolist() == [True, True, False]
    assert np.isnan(images["score"][2])
    assert list(images)[-1] == "certainty"


@pytest.mark.parametrize(
    "names, wells, sites",
    [
        (["F06_f0", "F06_f1", "E12_f0"], ["F06", "F06", "E12"], [0, 1, 0]),
        (["A01_T0001F003L01A01Z01C01", "A01_T0001F001L01A01Z01C01"], ["A01", "A01"], [1, 0]),
        (["A01_x", "A02_x", "A01_y"], ["A01", "A02", "A01"], [0, 0, 1]),
    ],
    ids=["named", "Yokogawa", "counted"],
)
def test_sites_are_named_or_counted(read, names, wells, sites):
    images = read([f"p_{name}.tif,1,1,0.5" for name in names])
    assert images["well"].tolist() == wells
    assert images["site"].tolist() == sites


@pytest.mark.parametrize(
    "texts, hours",
    [
        (["2024-01-01T10:00:00", "2024-01-01T11:30:00"], [0, 1.5]),
        (["20240131 10:00:00.5", "20240201 10:00:00.5"], [0, 24]),
        (["31.01.2024", "01/31/2024 12:00"], [0, 12]),
        (["10:00", "11:30"], [0, 1.5]),
        (["T1", "T2"], None),
        (["1-2", "1-3"], None),
        (["May", "June"], None),
        (["now", "C03"], None),
    ],
)
def test_times_have_a_date_or_a_clock(read, texts, hours):
    rows = [f"p_A01_s{site}.tif,1,1,0.5,{text}" for site, text in enumerate(texts)]
    images = read(rows, f"{HEAD},time")
    if hours is None:
        assert "time (hours)" not in images
    else:
        assert images["time (hours)"].tolist() == hours


def test_merged_table_of_the_cluster_workflow(read):
    columns = (
        "ImageNumber,FileName_DNA,FileName_Actin,Metadata_Plate,Metadata_Well,Metadata_Site,"
        "Metadata_AbsTime,Metadata_PositionX,ExecutionTime_01Images,"
        "ImageFocus_Score_DNA,ImageFocus_ExpectedLevel_DNA,ImageFocus_Certainty_DNA,"
        "ImageFocus_Score_Actin,ImageFocus_ExpectedLevel_Actin,ImageFocus_Certainty_Actin,Failure"
    )
    rows = [
        "1,d1.tif,a1.tif,P1,C4,5,2024-01-01T10:00:00,0.5,9,1,1.25,0.5,3,3.5,0.75,",
        "2,d2.tif,a2.tif,P1,P24,6,2024-01-01T11:30:00,-0.5,8,,,,,,,LoadImages: gone",
    ]
    images = read(rows, columns, "Actin")
    assert images["image"].tolist() == ["a1.tif", "a2.tif"]
    assert images["plate"].tolist() == ["P1", "P1"]
    assert images["well"].tolist() == ["C04", "P24"]
    assert images["site"].tolist() == [0, 1]
    assert images["expected_level"].tolist()[0] == 3.5
    assert images["measured"].tolist() == [True, False]
    assert list(images)[-2:] == ["AbsTime (hours)", "PositionX"]
    assert images["AbsTime (hours)"].tolist() == [0, 1.5]
    assert images["PositionX"].tolist() == [0.5, -0.5]
    with pytest.raises(UserError, match="several images: choose one by --image, of Actin, DNA"):
        read(rows, columns)
    with pytest.raises(UserError, match="contains no image RNA"):
        read(rows, columns, "RNA")


@pytest.mark.parametrize(
    "columns, rows, sentence",
    [
        ("x,y", ["1,2"], "has no column image"),
        (HEAD, [], "has no rows: give a focus.csv of 'focusqual predict', or the table of images"),
        (HEAD, ["a.tif,x,1,1"], "contains values that are not numbers"),
        (HEAD, ["a.tif,-1,1,1"], "contains a score that is not between"),
        (HEAD, ["a.tif,,nan,NA", "b.tif,,2,0.5"], "No image in .* was measured"),
        (HEAD, ["p_A01.tif,1,1,1"] * 2, "contains p_A01.tif twice"),
        (HEAD, ["a.tif,1,1,inf"], "contains a certainty that is not between"),
        (HEAD, ["a, b.tif,1,1,1"], "line 2 has more cells than the heading"),
        ("", [], "has no rows"),
    ],
)
def test_other_tables_are_refused(read, columns, rows, sentence):
    with pytest.raises(UserError, match=sentence):
        read(rows, columns)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match="none.csv does not exist"):
        read_measurements(tmp_path / "none.csv")


IDENTIFIERS = ["0012", "012", "12", "NA", "nan", "None", "TRUE", "1E5", "1001", "1001.0", "-1", ""]
CELLPROFILER = "ImageFocus_Score_D,ImageFocus_ExpectedLevel_D,ImageFocus_Certainty_D"


def test_plates_stay_text(read):
    rows = [f"{plate},{plate}.tif,B2,1,1,0.5" for plate in IDENTIFIERS]
    images = read(rows, f"Metadata_Plate,FileName_D,Metadata_Well,{CELLPROFILER}")
    assert images["plate"].tolist() == IDENTIFIERS
    assert images["image"].tolist() == [f"{plate}.tif" for plate in IDENTIFIERS]
    assert set(images["well"]) == {"B02"}


def test_plates_of_parquet_stay_text(tmp_path):
    pytest.importorskip("pyarrow")
    plates = {
        "text": IDENTIFIERS,
        "category": pd.Categorical(["0012", "NA", "12"] * 4),
        "Int64": pd.array([1001, None, 12] * 4, dtype="Int64"),
        "float": [1001.0, None, 12.0] * 4,
    }
    expected = {
        "text": IDENTIFIERS,
        "category": ["0012", "NA", "12"] * 4,
        "Int64": ["1001", "", "12"] * 4,
        "float": ["1001", "", "12"] * 4,
    }
    path = tmp_path / "table.parquet"
    for kind, values in plates.items():
        table = pd.DataFrame({"image": IDENTIFIERS, "plate": values})
        table.assign(score=1, expected_level=1.5, certainty=0.5).to_parquet(path)
        images = read_measurements(path)
        assert images["plate"].tolist() == expected[kind]
        assert images["image"].tolist() == IDENTIFIERS


@pytest.mark.parametrize(
    "columns, values, well",
    [
        ("Metadata_Well", "AA05", "AA05"),
        ("Well", "b3", "B03"),
        ("well", "q48", "Q48"),
        ("well", "B_3", "B03"),
        ("well", "aa/05", "AA05"),
        ("Metadata_Well", "", "C07"),
        ("Metadata_Well", "unknown", ""),
        ("Metadata_Well", "A99", ""),
        ("Row,Column", "2,3", "B03"),
        ("Metadata_Row,Metadata_Col", "B,03", "B03"),
        ("Metadata_Row,Metadata_Column", "32,48", "AF48"),
        ("Metadata_Row,Metadata_Column", "af,48", "AF48"),
        ("row,col", "2.0,3.0", "B03"),
        ("Metadata_WellRow,Metadata_WellColumn", "a,1", "A01"),
        ("Metadata_Row,Metadata_Col,Metadata_Well", "1,1,B2", "B02"),
        ("Metadata_Row,Metadata_Col", "0,1", ""),
        ("Metadata_Row,Metadata_Col", "2,", "C07"),
        ("Row", "2", "C07"),
    ],
)
def test_columns_take_precedence_over_the_name(read, columns, values, well):
    images = read([f"p_C07_s1.tif,1,1,0.5,{values}"], f"{HEAD},{columns}")
    assert images["well"].tolist() == [well]


@pytest.mark.parametrize(
    "paths, plates",
    [
        (["/p1/A01_s1", "/p2/A01_s1"], ["p1", "p2"]),
        (["/d/p1_A01_s1", "/d/p2_A01_s1", "/d/p2_A02_s1"], ["p1", "p2", "p2"]),
        (["/p1/x_A1", "/p1/y_A1", "/p2/x_A1"], ["p1/x", "p1/y", "p2/x"]),
        (["/p1/img1", "/p1/img2"], ["", ""]),
        # Times and sites before the well, and channels after it, are no plates.
        (["/d/1015_A01_s1_w1", "/d/1015_A01_s1_w2", "/d/1016_A02_s1_w1"], ["", "", ""]),
        (["/d/s1_A01", "/d/s2_A01"], ["", ""]),
        (["/d/A01/A01_s1", "/d/A02/A02_s1"], ["", ""]),
    ],
)
def test_plates_are_told_apart_by_folder_or_name(read, paths, plates):
    rows = ["{1}.tif,1,1,0.5,{0}".format(*path.rsplit("/", 1)) for path in paths]
    images = read(rows, f"{HEAD},folder")
    assert images["plate"].tolist() == plates


def test_one_malformed_name_changes_no_other_image(read):
    names = ["A01_s1", "A01_s2", "A02_s1", "A02_s2", "A01_s999999999999999999999", "A03_x", "A0X"]
    images = read([f"p_{name}.tif,1,1,0.5" for name in names])
    assert images["well"].tolist() == ["A01", "A01", "A02", "A02", "A01", "A03", ""]
    assert images["site"].tolist() == [0, 1, 0, 1, 2, 0, -1]


def test_other_things_than_tables_are_refused(tmp_path):
    with pytest.raises(UserError, match="is a folder: give a focus.csv"):
        read_measurements(tmp_path)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\xff")
    with pytest.raises(UserError, match="has no rows: give a focus.csv"):
        read_measurements(tmp_path / "a.png")
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_text("image\n")
    with pytest.raises(UserError, match="cannot be read as a table .*: give a focus.csv"):
        read_measurements(tmp_path / "a.parquet")
    with pytest.raises(UserError, match="b.parquet does not exist"):
        read_measurements(tmp_path / "b.parquet")
    pd.DataFrame({"image": []}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match="has no rows: give a focus.csv"):
        read_measurements(tmp_path / "a.parquet")
