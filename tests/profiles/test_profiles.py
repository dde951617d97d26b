"""From images to profiles: CellProfiler, then CytoTable and pycytominer in .venv-tools."""

import os
import re
import sqlite3
import subprocess

import numpy as np
import pandas as pd
import pytest
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.utilities.core.modules import instantiate_module
from harness import ROOT, run_cellprofiler

from focusqual.simulation.camera import photograph
from focusqual.simulation.defocus import defocus
from focusqual.simulation.scenes import nuclei
from micrograph_networks.images.image_files import write_tiff

pytestmark = pytest.mark.tools
PROGRAM = [ROOT / ".venv-tools/bin/python", ROOT / "example_pipelines/focus_profiles.py"]
LINE = re.compile(r"^(all|image.*?) +(\d+) +(\d+) +([\d.]+)$", re.M)


def write_plate(folder):
    """Write a scene in twelve wells; a third of column 4 and all of 5 and 6 are blurred."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    scene = nuclei(rng, 336, 1.0)
    blurred = defocus(scene, 6)
    for row in "AB":
        for column in range(1, 7):
            sharp, soft = (np.rot90(s, column % 4) for s in (scene, blurred))
            if row == "B":
                sharp, soft = sharp.T, soft.T
            image = soft if column > 4 else sharp.copy()
            if column == 4:
                image[:, 224:] = soft[:, 224:]
            write_tiff(folder / f"plate1_{row}{column:02}_s1.tif", photograph(rng, image))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Folder of CellProfiler's tables of the plate: CSV files and focus.sqlite."""
    folder = tmp_path_factory.mktemp("plate")
    write_plate(folder / "images")
    pipeline = Pipeline()
    pipeline.load(str(ROOT / "example_pipelines/focus_profiles.cppipe"))
    module = instantiate_module("ExportToDatabase")
    module.set_module_num(len(pipeline.modules()) + 1)
    module.separate_object_tables.value = "One table per object type"
    module.want_table_prefix.value = False
    module.sqlite_file.value = "focus.sqlite"
    pipeline.add_module(module)
    with (folder / "plate.cppipe").open("w") as file:
        pipeline.dump(file, save_image_plane_details=False)
    run_cellprofiler(folder / "plate.cppipe", folder / "images", folder / "tables")
    return folder / "tables"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Home folder with DuckDB's database readers, which CytoTable would otherwise download."""
    folder = tmp_path_factory.mktemp("home")
    code = (
        "from duckdb_extensions import import_extension\n"
        "import_extension('sqlite_scanner'); import_extension('httpfs')"
    )
    environment = {**os.environ, "HOME": str(folder)}
    subprocess.run([PROGRAM[0], "-c", code], env=environment, check=True)
    return environment


def profiles(tables, output, home):
    """Run the example and return cells, wells and spread by name."""
    command = [*PROGRAM, tables, "--output", output]
    result = subprocess.run(command, capture_output=True, text=True, env=home, timeout=500)
    assert result.returncode == 0, result.stderr
    return {name: (int(n), int(w), float(s)) for name, n, w, s in LINE.findall(result.stdout)}


def test_csv_to_profiles(tables, home, tmp_path):
    numbers = profiles(tables, tmp_path / "out", home)
    cells = pd.read_parquet(tmp_path / "out/cells.parquet")
    images = pd.read_csv(tables / "Image.csv").set_index("ImageNumber")
    assert len(cells) == len(pd.read_csv(tables / "Cells.csv"))
    of_image = images.loc[cells["Metadata_ImageNumber"]]
    for feature in ("Score", "ExpectedLevel", "Certainty", "Probability10"):
        column = f"ImageFocus_{feature}_Image"
        np.testing.assert_allclose(cells[f"Metadata_{column}"], of_image[column])
    assert (cells["Metadata_Well"].to_numpy() == of_image["Metadata_Well"].to_numpy()).all()
    level = "ImageFocus_MeanLevel_Image"
    expected = pd.read_csv(tables / "Cells.csv")[["ImageNumber", "ObjectNumber", level]]
    found = cells.merge(
        expected,
        left_on=["Metadata_ImageNumber", "Metadata_Cytoplasm_Parent_Cells"],
        right_on=["ImageNumber", "ObjectNumber"],
    )
    np.testing.assert_allclose(found[f"Metadata_Cells_{level}"], found[level])
    assert len(found) == len(cells)

    whole, images_in_focus, in_focus = numbers.values()
    assert whole[:2] == (len(cells), 12)
    assert images_in_focus[1] == in_focus[1] == 8
    kept = pd.read_parquet(tmp_path / "out/cells_in_focus.parquet")
    assert in_focus[0] == len(kept) < images_in_focus[0] < whole[0]
    assert kept[f"Metadata_Cells_{level}"].max() < 2
    assert set(kept["Metadata_Well"].str[1:]) == {"01", "02", "03", "04"}
    assert in_focus[2] < 0.8 * whole[2] and images_in_focus[2] < 0.8 * whole[2]
    # The cells that are excluded last are where column 4 is blurred, except for single cells.
    keys = ["Metadata_ImageNumber", "Metadata_Cytoplasm_Parent_Cells"]
    left_out = cells[
        (cells["Metadata_ImageFocus_Score_Image"] < 2)
        & ~pd.MultiIndex.from_frame(cells[keys]).isin(pd.MultiIndex.from_frame(kept[keys]))
    ]
    blurred = left_out["Metadata_Well"].isin(["A04", "B04"]) & (
        left_out["Cells_AreaShape_Center_X"] > 190
    )
    assert len(left_out) == images_in_focus[0] - in_focus[0] > 5
    assert blurred.mean() > 0.8
    wells = pd.read_parquet(tmp_path / "out/profiles.parquet")
    assert len(wells) == 8
    assert not wells.filter(regex="ImageFocus").columns.size


def test_the_database_gives_the_same(tables, home, tmp_path):
    with sqlite3.connect(tables / "focus.sqlite") as database:
        count = database.execute("SELECT count(*) FROM Per_Cells").fetchone()[0]
    assert count == len(pd.read_csv(tables / "Cells.csv"))
    found = profiles(tables / "focus.sqlite", tmp_path / "database", home)
    expected = profiles(tables, tmp_path / "csv", home)
    assert found.keys() == expected.keys()
    for name, numbers in expected.items():
        assert found[name] == pytest.approx(numbers, rel=1e-3), name
