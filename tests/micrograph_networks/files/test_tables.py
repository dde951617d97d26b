import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.files import tables
from micrograph_networks.files.tables import TEXT, number, read_csv, table
from micrograph_networks.images.positions import POSITION_COLUMNS

COLUMNS = ["image", "row", "score"]
ROWS = [["007", 0, number(1 / 3)], ["b.tif", np.int32(7), number(np.nan)], ["c", 2, number(5.0)]]


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_parquet_equals_csv(tmp_path, monkeypatch, at_once):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", at_once)
    for suffix in tables.FORMATS:
        with table(tmp_path / f"a.{suffix}", COLUMNS) as rows:
            rows.writerow(ROWS[0])
            rows.writerows(ROWS[1:])
    found = pd.read_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(found, pd.read_csv(tmp_path / "a.csv", dtype={"image": str}))
    assert [str(kind) for kind in found.dtypes] == ["object", "int64", "float64"]
    assert found["score"][0] == 0.333333


IDENTIFIERS = [
    "0012",
    "012",
    "NA",
    "nan",
    "TRUE",
    "1E5",
    "=1+1",
    "+1",
    "-1",
    "@a",
    "\tb",
    "\rc",
    "",
]


def test_identifiers_are_written_exactly(tmp_path):
    columns = [name for name in (*POSITION_COLUMNS, "image", "folder", "class") if name in TEXT]
    assert set(POSITION_COLUMNS) - set(columns) == {"timepoint", "channel", "z", "page", "frame"}
    expected = [dict.fromkeys(columns, text) for text in IDENTIFIERS]
    with table(tmp_path / "a.csv", columns) as rows:
        rows.writerows(row.values() for row in expected)
    assert read_csv(tmp_path / "a.csv", columns, "a table") == expected
    pytest.importorskip("pyarrow")
    with table(tmp_path / "a.parquet", columns) as rows:
        rows.writerows(list(row.values()) for row in expected)
    assert pd.read_parquet(tmp_path / "a.parquet").to_dict("records") == expected


def test_only_used_columns_are_read(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,c,a,,\n1,2\n")
    assert read_csv(tmp_path / "a.csv", [], "a table", "bc".__contains__) == [{"b": "2", "c": ""}]


@pytest.mark.parametrize("suffix", tables.FORMATS)
def test_names_that_are_not_utf_8_are_written_as_escapes(tmp_path, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    path = Path(os.fsdecode(bytes(tmp_path) + b"/\xff"), f"a.{suffix}")
    path.parent.mkdir()
    with table(path, COLUMNS) as rows:
        rows.writerow([os.fsdecode(b"\xff\xc3\xa9.tif"), 0, number(1.0)])
    with open(path, "rb") as file:
        found = pd.read_csv(file) if suffix == "csv" else pd.read_parquet(file)
    assert found["image"].tolist() == ["\\udcffé.tif"]


def test_names_in_a_table_may_have_any_bytes(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"image\n\xff.tif\n")
    (row,) = read_csv(tmp_path / "a.csv", ["image"], "a table")
    assert os.fsencode(row["image"]) == b"\xff.tif"


def test_parquet_without_rows_has_columns(tmp_path):
    pytest.importorskip("pyarrow")
    with table(tmp_path / "a.parquet", COLUMNS):
        pass
    found = pd.read_parquet(tmp_path / "a.parquet")
    assert list(found) == COLUMNS
    assert found["score"].dtype == float


def test_interrupted_parquet_does_not_appear(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(KeyError), table(tmp_path / "a.parquet", COLUMNS) as rows:
        rows.writerow(ROWS[0])
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_missing_pyarrow_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    problem = r"install .*\[parquet\].*or choose the format csv"
    with pytest.raises(UserError, match=problem), table(tmp_path / "a.parquet", COLUMNS):
        pass
    assert not list(tmp_path.iterdir())


def test_csv_is_read(tmp_path):
    (tmp_path / "a.csv").write_bytes("\ufeffimage,part\r\né.tif,train\r\nb.tif\r\n".encode())
    rows = read_csv(tmp_path / "a.csv", ["part"], "a table")
    assert rows == [{"image": "é.tif", "part": "train"}, {"image": "b.tif", "part": ""}]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "does not exist: check the path"),
        ("folder", "is a folder: give a split"),
        (b"\xff\xfe\x00", "(cannot be read as a table|has no rows): give a split"),
        (b"image,part\n", "has no rows: give a split"),
        (b"image\na.tif\n", "has no column part: give a split"),
        (b"image,part\na,train\nb,c,train\n", ": line 3 has more cells than the heading"),
        (b"image,part,part\na,train,test\n", "has several columns part: rename or remove"),
        (b"image;part\na;train\n", "has semicolons or tabs between its columns: save it with"),
        (b"image;part\na;0,5\n", "has semicolons or tabs between its columns: save it with"),
        (b"image\tpart\na\ttrain\n", "has semicolons or tabs between its columns: save it with"),
        (b'image,part\n"a,train\nb,test\n', "cannot be read as a table: give a split"),
    ],
)
def test_wrong_csv_is_named(tmp_path, data, problem):
    path = tmp_path / "a.csv"
    if data == "folder":
        path.mkdir()
    elif data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError, match=f"a.csv ?{problem}"):
        read_csv(path, ["part"], "a split")
