"""Test ExportToDatabase after both modules: SQLite and the properties of CellProfiler Analyst."""

import re
import sqlite3

import numpy as np
import pandas as pd
import pytest
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.utilities.core.modules import instantiate_module
from harness import ROOT, run_cellprofiler

from focusqual.simulation.scenes import nuclei
from micrograph_networks.images.image_files import write_png, write_tiff
from segment.simulation.scenes import darkfield_scene

pytest.importorskip(
    "MySQLdb", reason="mysqlclient is not installed, without which CellProfiler opens no database"
)
PER_TYPE, SINGLE, VIEW = MODES = (
    *("One table per object type", "Single object table", "Single object view"),
)
TABLES = {
    "image_table": ["image_id", "image_path_cols", "image_file_cols"],
    "object_table": ["image_id", "object_id", "cell_x_loc", "cell_y_loc"],
}
"""Entries of the properties that name a table, and those that name columns of it."""


def export(pipeline_file, images, output, objects):
    """Run an example pipeline that also exports to a database in each mode."""
    pipeline = Pipeline()
    pipeline.load(str(ROOT / "example_pipelines" / pipeline_file))
    for mode in MODES:
        module = instantiate_module("ExportToDatabase")
        module.set_module_num(len(pipeline.modules()) + 1)
        module.separate_object_tables.value = mode
        module.sqlite_file.value = f"{mode}.db"
        module.location_object.value = objects
        module.save_cpa_properties.value = True
        pipeline.add_module(module)
    changed = images.parent / pipeline_file
    with changed.open("w") as file:
        pipeline.dump(file, save_image_plane_details=False)
    run_cellprofiler(changed, images, output)


def table(output, mode, name):
    with sqlite3.connect(output / f"{mode}.db") as database:
        return pd.read_sql(f"SELECT * FROM MyExpt_Per_{name}", database)


def assert_same(found, exported, prefix, category):
    """Check that measurements of a category are those of the exported table."""
    columns = [c for c in exported if c.startswith(category) and exported[c].dtype.kind == "f"]
    assert columns
    for column in columns:
        values = found[f"{prefix}_{column}"].astype(float)
        np.testing.assert_allclose(values, exported[column], rtol=1e-6, err_msg=column)


def assert_columns_exist(output, mode, objects):
    """Check that the tables and columns exist that the properties of CellProfiler Analyst name."""
    paths = list(output.glob(f"{mode}_MyExpt*.properties"))
    assert len(paths) == (len(objects) if mode == PER_TYPE else 1)
    for path in paths:
        named = dict(re.findall(r"^(\w+) *= *(\S.*?) *$", path.read_text(), re.M))
        assert named["db_sqlite_file"] == str(output / f"{mode}.db")
        for key, names in TABLES.items():
            columns = list(table(output, mode, named[key][len("MyExpt_Per_") :]))
            assert {named[name] for name in names} <= set(columns), path.name


def test_focus_of_a_sharp_and_a_blank_image(tmp_path):
    images, output = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    scene = nuclei(np.random.default_rng(0), 200, 1.0)
    write_tiff(images / "a.tif", (1000 * scene).astype(np.uint16))
    write_tiff(images / "b_blank.tif", np.full((200, 200), 100, np.uint16))
    export("focus_qc.cppipe", images, output, "FocusPatches")
    exported = pd.read_csv(output / "FocusQC_Image.csv")
    patches = pd.read_csv(output / "FocusQC_FocusPatches.csv")
    assert len(exported) == 2 and len(patches) == 18
    for mode in MODES:
        assert_same(table(output, mode, "Image"), exported, "Image", "ImageFocus")
        found = table(output, mode, "Object" if mode != PER_TYPE else "FocusPatches")
        assert_same(found, patches, "FocusPatches", "ImageFocus")
        assert_columns_exist(output, mode, ["FocusPatches"])
    assert table(output, SINGLE, "Experiment")["ImageFocus_Model_Image"].notna().all()


def test_dark_field_with_an_image_without_objects(tmp_path):
    images, output = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    write_png(images / "scene.png", darkfield_scene(np.random.default_rng(2)).image)
    write_png(images / "blank.png", np.full((200, 220, 3), 10, np.uint8))
    export("darkfield_cells.cppipe", images, output, "BloodCells")
    counts, cells, spirochaetes = (
        pd.read_csv(output / f"Darkfield_{name}.csv")
        for name in ("Image", "BloodCells", "Spirochaetes")
    )
    assert counts["Count_BloodCells"].tolist()[0] == 0 and len(cells) > 5
    for mode in MODES:
        found = table(output, mode, "Image")
        assert found["Image_Count_BloodCells"].tolist() == counts["Count_BloodCells"].tolist()
        assert_columns_exist(output, mode, ["BloodCells", "Spirochaetes"])
        if mode != SINGLE:
            assert_same(table(output, mode, "BloodCells"), cells, "BloodCells", "Darkfield")
            assert len(table(output, mode, "Spirochaetes")) == len(spirochaetes)
    found = table(output, SINGLE, "Object").dropna(subset=["BloodCells_Number_Object_Number"])
    assert_same(found, cells, "BloodCells", "Darkfield")
    # A view joins the classes by object number, so it has the rows of the rarer class only.
    assert len(table(output, VIEW, "Object")) == min(len(cells), len(spirochaetes))
