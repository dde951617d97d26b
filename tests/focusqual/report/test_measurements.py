import numpy as np
import pandas as pd
import pytest

from focusqual.report.measurements import pictures_of, read_measurements
from focusqual.report.options import Thresholds
from focusqual.report.verdicts import excluded_wells, verdicts
from micrograph_networks.errors import UserError


def write(path, rows, columns="image,score,expected_level,certainty"):
    path.write_text("\n".join([columns, *rows]) + "\n")
    return path


def test_focus_table_with_wells_and_sites_in_names(tmp_path):
    rows = ["p_B03_s2.tif,1,1.5,0.5", "p_b03_s1.tif,0,0.25,0.75", "none.tif,,,"]
    images = read_measurements(write(tmp_path / "focus.csv", rows))
    assert images["image"].tolist() == ["p_B03_s2.tif", "p_b03_s1.tif", "none.tif"]
    assert images["well"].tolist() == ["B03", "B03", ""]
    assert images[["row", "col"]].to_numpy().tolist() == [[1, 2], [1, 2], [-1, -1]]
    assert images["site"].tolist() == [1, 0, -1]
    assert images["expected_level"].tolist()[:2] == [1.5, 0.25]
    assert np.isnan(images["score"][2])
    assert images["measured"].tolist() == [True, True, False]
    assert list(images)[-1] == "certainty"


def test_the_letter_f_of_a_well_is_not_a_field(tmp_path):
    rows = [f"p_{well}_f{field}.tif,1,1,0.5" for well in ("F06", "E12") for field in (0, 1)]
    images = read_measurements(write(tmp_path / "focus.csv", rows))
    assert images["well"].tolist() == ["F06", "F06", "E12", "E12"]
    assert images["site"].tolist() == [0, 1, 0, 1]


def test_unknown_sites_are_counted(tmp_path):
    rows = ["A01_x.tif,1,1,0.5", "A02_x.tif,1,1,0.5", "A01_y.tif,1,1,0.5"]
    assert read_measurements(write(tmp_path / "focus.csv", rows))["site"].tolist() == [0, 0, 1]


COLUMNS = (
    "ImageNumber,FileName_DNA,FileName_Actin,Metadata_Plate,Metadata_Well,Metadata_Site,"
    "Metadata_AbsTime,Metadata_PositionX,ExecutionTime_01Images,"
    "ImageFocus_Score_DNA,ImageFocus_ExpectedLevel_DNA,ImageFocus_Certainty_DNA,"
    "ImageFocus_Score_Actin,ImageFocus_ExpectedLevel_Actin,ImageFocus_Certainty_Actin,Failure"
)


def test_merged_table_of_the_cluster_workflow(tmp_path):
    rows = [
        "1,d1.tif,a1.tif,P1,C4,5,2024-01-01T10:00:00,0.5,9,1,1.25,0.5,3,3.5,0.75,",
        "2,d2.tif,a2.tif,P1,P24,6,2024-01-01T11:30:00,-0.5,8,,,,,,,LoadImages: gone",
    ]
    path = write(tmp_path / "Image.csv", rows, COLUMNS)
    images = read_measurements(path, "Actin")
    assert images["image"].tolist() == ["a1.tif", "a2.tif"]
    assert images["plate"].tolist() == ["P1", "P1"]
    assert images["well"].tolist() == ["C04", "P24"]
    assert images["site"].tolist() == [0, 1]
    assert images["expected_level"].tolist()[0] == 3.5
    assert images["AbsTime (hours)"].tolist() == [0, 1.5]
    assert images["PositionX"].tolist() == [0.5, -0.5]
    assert list(images)[-2:] == ["AbsTime (hours)", "PositionX"]
    assert list(verdicts(images, Thresholds())) == ["out of focus", "not measured"]
    with pytest.raises(
        UserError, match="contains several images: choose one by --image, of Actin, D"
    ):
        read_measurements(path)
    with pytest.raises(UserError, match="contains no image RNA"):
        read_measurements(path, "RNA")


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("x,y\n1,2\n", "has no column image"),
        ("image,score,expected_level,certainty\n", "contains no images"),
        (
            "image,score,expected_level,certainty\na.tif,x,1,1\n",
            "contains values that are not numbers",
        ),
        (
            "image,score,expected_level,certainty\na.tif,-1,1,1\n",
            "contains a score that is not between",
        ),
        (
            "image,score,expected_level,certainty\na.tif,1,1,inf\n",
            "contains a certainty that is not",
        ),
        ("", "cannot be read as a table"),
    ],
)
def test_other_tables_are_refused(tmp_path, text, sentence):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_measurements(tmp_path / "a.csv")


def test_verdicts_and_wells():
    images = pd.DataFrame(
        {
            "plate": "",
            "well": ["A01", "A01", "A02", "A02", "B01", "B01", ""],
            "score": [1, 2, 2, 5, np.nan, 0, 9],
            "certainty": [0.1, 0.5, 0.5, 0.05, np.nan, 0.5, 0.5],
            "measured": [True, True, True, True, False, True, True],
        }
    )
    expected = [
        *("in focus", "out of focus", "out of focus"),
        *("blank", "not measured", "in focus", "out of focus"),
    ]
    assert list(verdicts(images, Thresholds())) == expected
    excluded = excluded_wells(images, Thresholds())
    assert excluded.to_dict("records") == [
        {
            **{"plate": "", "well": "A02", "images": 2, "in_focus": 0},
            **{"out_of_focus": 1, "blank": 1, "not_measured": 0},
        }
    ]
    strict = excluded_wells(images, Thresholds(largest_share=0.49))
    assert strict["well"].tolist() == ["A01", "A02", "B01"]
    assert excluded_wells(images, Thresholds(largest_share=1)).empty


def test_pictures_are_found_below_a_folder(tmp_path):
    (tmp_path / "batch").mkdir()
    picture = tmp_path / "batch" / "a_focus.png"
    picture.touch()
    assert pictures_of(["a.tif", "b.tif"], tmp_path) == [picture, None]
