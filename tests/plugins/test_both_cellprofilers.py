"""CellProfiler 4 and 5 write the same numbers into the tables of the example pipelines."""

import imageio
import numpy as np
import pandas as pd
import pytest
from harness import CELLPROFILER_5, ROOT, numbers, run_cellprofiler
from scipy.ndimage import gaussian_filter

from segment.simulation.scenes import darkfield_scene

PROGRAM_4 = ROOT / ".venv" / "bin" / "cellprofiler"

pytestmark = pytest.mark.skipif(not CELLPROFILER_5, reason="is part of make test-next")


@pytest.fixture
def fluorescence(tmp_path, fly_images):
    """Real images, of 8, 12 and 16 bits, gray and colored, sharp and blurred."""
    nuclei, actin, other = (fly_images[f"01_POS002_{channel}.TIF"] for channel in "DFR")
    images = {
        "8 bits.tif": nuclei,
        "12 bits.tif": gaussian_filter(actin.astype(np.uint16) * 16, 2),
        "16 bits.png": gaussian_filter(other.astype(np.uint16) * 257, 5),
        "colored.png": np.dstack([nuclei, actin, other]),
    }
    return written(tmp_path / "in", images)


@pytest.fixture
def darkfield(tmp_path):
    """Drawn scenes, of 8 and 16 bits."""
    first, second = (darkfield_scene(np.random.default_rng(seed)).image for seed in (2, 3))
    images = {"8 bits.png": first, "16 bits.tif": second.astype(np.uint16) * 257}
    return written(tmp_path / "in", images)


def written(folder, images):
    folder.mkdir()
    for name, image in images.items():
        imageio.imwrite(folder / name, image)
    return folder


def test_focus_is_the_same(fluorescence, tmp_path):
    four, five = tables_of_both("focus_qc.cppipe", fluorescence, tmp_path)

    assert four.keys() == five.keys() == {"FocusQC_FocusPatches.csv", "FocusQC_Image.csv"}
    assert_same(four, five)
    assert four["FocusQC_Image.csv"]["ImageFocus_Score_Image"].nunique() > 2


def test_cells_are_the_same(darkfield, tmp_path):
    four, five = tables_of_both("darkfield_cells.cppipe", darkfield, tmp_path)

    names = {f"Darkfield_{name}.csv" for name in ("BloodCells", "Image", "Spirochaetes")}
    assert four.keys() == five.keys() == names
    assert_same(four, five)
    assert min(map(len, four.values())) > 1


def tables_of_both(pipeline, images, tmp_path):
    """The numbers that CellProfiler 4 and 5 write, by table."""
    path = ROOT / "example_pipelines" / pipeline
    run_cellprofiler(path, images, tmp_path / "four", [PROGRAM_4])
    run_cellprofiler(path, images, tmp_path / "five")
    return numbers(tmp_path / "four"), numbers(tmp_path / "five")


def assert_same(four, five):
    for name, expected in four.items():
        pd.testing.assert_frame_equal(
            five[name], expected, check_dtype=False, check_like=True, rtol=1e-3, atol=1e-3
        )
