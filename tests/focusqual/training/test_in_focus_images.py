import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from focusqual.simulation.defocus import defocus
from focusqual.simulation.scenes import nuclei
from focusqual.training import in_focus_images as dataset
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import list_images, write_tiff
from micrograph_networks.training.run import TrainingRun
from micrograph_networks.training.split import read_part


@pytest.fixture
def folder(tmp_path):
    """20 scenes, a brighter copy of the first, and a blurred one."""
    scenes = [nuclei(np.random.default_rng(seed), 128, 1.0) for seed in range(20)]
    scenes += [2 * scenes[0] + 0.1, gaussian_filter(scenes[1], 6)]
    for number, scene in enumerate(scenes):
        write_tiff(tmp_path / f"{number:02}.tif", scene.astype(np.float32))
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_split_keeps_copies_together_and_leaves_out_blurred_images(folder):
    paths = list_images([folder])
    assert len(paths) == 22
    records = {record.path.name: record for record in dataset.divide(paths, seed=1)}
    assert records["00.tif"].group == records["20.tif"].group
    assert records["00.tif"].part == records["20.tif"].part
    assert records["21.tif"].part == "blurred"
    parts = [record.part for record in records.values()]
    assert 14 <= parts.count("train") <= 18
    assert parts.count("validation") >= 1
    assert parts.count("test") >= 1


def test_split_is_written_and_read(folder, tmp_path):
    records = dataset.divide(list_images([folder]), seed=1)
    run = TrainingRun(tmp_path, {})
    run.keep_split(dataset.SPLIT_COLUMNS, dataset.split_rows(records))
    expected = {record.path.name for record in records if record.part == "test"}
    assert read_part(tmp_path / "split.csv", "test") == expected


def test_sharpness_falls_with_defocus_and_not_with_exposure(rng):
    scene = nuclei(rng, 256, 1.0)
    values = [dataset.sharpness(defocus(scene, depth)) for depth in (0, 4, 8, 16)]
    assert (np.diff(values) < 0).all()
    assert dataset.sharpness(40 * scene + 100) == pytest.approx(values[0], rel=1e-3)
    assert dataset.sharpness(np.full((50, 50), 3)) == 0


def test_blurred_images_alone_are_refused(tmp_path, rng):
    write_tiff(tmp_path / "a.tif", gaussian_filter(rng.random((128, 128)), 9).astype(np.float32))
    with pytest.raises(UserError, match="None of the images is in focus"):
        dataset.divide([tmp_path / "a.tif"], seed=0)
