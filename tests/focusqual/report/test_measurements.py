import numpy as np
import pytest

from focusqual.report.measurements import pictures_of, read_measurements
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
        (["A01_x", "A02_x", "A01_y"], ["A01", "A02", "A01"], [0, 0, 1]),
    ],
    ids=["named", "counted"],
)
def test_sites_are_named_or_counted(read, names, wells, sites):
    images = read([f"p_{name}.tif,1,1,0.5" for name in names])
    assert images["well"].tolist() == wells
    assert images["site"].tolist() == sites


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
        (HEAD, [], "contains no images"),
        (HEAD, ["a.tif,x,1,1"], "contains values that are not numbers"),
        (HEAD, ["a.tif,-1,1,1"], "contains a score that is not between"),
        (HEAD, ["a.tif,1,1,inf"], "contains a certainty that is not between"),
        ("", [], "cannot be read as a table"),
    ],
)
def test_other_tables_are_refused(read, columns, rows, sentence):
    with pytest.raises(UserError, match=sentence):
        read(rows, columns)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match="none.csv does not exist"):
        read_measurements(tmp_path / "none.csv")


def test_pictures_are_found_in_subfolders(tmp_path):
    (tmp_path / "batch").mkdir()
    picture = tmp_path / "batch" / "a_focus.png"
    picture.touch()
    assert pictures_of(["a.tif", "b.tif"], tmp_path) == [picture, None]
