import pandas as pd
import pytest

from focusqual.report.wells import PLATES, ROWS, find_well, find_wells, plate_shape

SPELLINGS = [
    ("plate1_A01_s1.tif", "A01"),
    ("plate1_A1_s1.tif", "A01"),
    ("A1.tif", "A01"),
    ("plate1_A001_s1.tif", "A01"),
    ("plate1_B012_s1.tif", "B12"),
    ("b03", "B03"),
    ("mcf-z-stacks-03212011_k06_s2_w1A357C7ED-D1CD-4C32-B15C-0A9AD2D4A7BD.tif", "K06"),
    ("G10_s1_w1BEDC2073-A983-4B98-95E9-84466707A25D.tif", "G10"),
    ("B-03", "B03"),
    ("x_B-3.tif", "B03"),
    ("A - 1(fld 1", "A01"),
    ("A - 01(fld 1 wv DAPI - DAPI).tif", "A01"),
    ("B - 11(fld 03 wv 390 - Blue).tif", "B11"),
    ("r01c01f01p01-ch1sk1fk1fl1.tiff", "A01"),
    ("r32c48f01.tiff", "AF48"),
    ("R2C3", "B03"),
    ("plate1_AA05_s1.tif", "AA05"),
    ("plate1_AA5_s1.tif", "AA05"),
    ("aa05", "AA05"),
    ("AF48", "AF48"),
    ("plate1_P25_s1.tif", "P25"),
    ("plate1_Q01_s1.tif", "Q01"),
    ("plate1_Z9_s1.tif", "Z09"),
    ("plate_B03_field1_ch0_z05", "B03"),
    ("MFGTMP_130903140001_A01f00d0.TIF", "A01"),
    ("Plate_#655090_A01_T0001F001L01A01Z01C01.tif", "A01"),
    ("WellB02_Seq0000.tif", "B02"),
    ("A01DAPI.tif", "A01"),
    # Other parts of a name that look like wells.
    ("P1_A01_s1.tif", "A01"),
    ("p21_A01_s1.tif", "A01"),
    ("C1-plate_B03.tif", "B03"),
    ("A1_f01_c02.tif", "A01"),
    ("T01_Z05_A02.tif", "A02"),
    # No wells.
    ("", None),
    ("image_s1_w2_z05_t01.tif", None),
    ("H2AX_U2OS_A549_s1.tif", None),
    ("A00", None),
    ("A49", None),
    ("AG01", None),
    ("r33c01", None),
    ("r00c01", None),
    ("A0001", None),
]


@pytest.mark.parametrize("text, name", SPELLINGS)
def test_spellings(text, name):
    found = find_well(text)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    "pattern", ["P24_{}_s1", "B16_{}_w1", "D14-treated_{}", "{}_F01", "{}_C01_t2", "x_{}"]
)
def test_the_well_is_what_varies_most_in_the_names_of_a_table(pattern):
    wells = ["A01", "A02", "B01", "C11"]
    names = [pattern.format(well) for well in wells]
    assert [found.name for found in find_wells([*names, "control", names[0]])[:4]] == wells
    assert find_wells([*names, "control", "A05_E07_F09"])[4] is None
    assert [found.name for found in find_wells([names[0]] * 2)] == [find_well(names[0]).name] * 2
    assert find_wells([]) == []


def test_every_well_of_the_largest_plate_is_found():
    wells = [(row, col) for row in range(32) for col in range(48)]
    for row, col in wells:
        for name in (f"{ROWS[row]}{col + 1:02}", f"{ROWS[row]}{col + 1}", f"r{row + 1}c{col + 1}"):
            assert find_well(f"plate1_{name}_s1.tif")[:2] == (row, col)


@pytest.mark.parametrize("rows, cols", PLATES)
def test_smallest_plate_that_contains_the_wells(rows, cols):
    images = pd.DataFrame({"row": [0, rows - 1], "col": [cols - 1, 0]})
    assert plate_shape(images) == (rows, cols)
