import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from focusqual.simulation.defocus import defocus
from focusqual.simulation.scenes import nuclei
from focusqual.training import in_focus_images
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import list_images, write_tiff
from micrograph_networks.training.run import TrainingRun
from micrograph_networks.training.split import select_part


def test_split_keeps_copies_together_and_omits_blurred_images(tmp_path):
    scenes = [nuclei(np.random.default_rng(seed), 128, 1.0) for seed in range(20)]
    scenes += [2 * scenes[0] + 0.1, gaussian_filter(scenes[1], 6)]
    for number, scene in enumerate(scenes):
        write_tiff(tmp_path / f"{number:02}.tif", scene.astype(np.float32))
    records = in_focus_images.divide(list_images([tmp_path]), seed=1)
    assert len(records) == 22
    by_name = records.set_index("image")
    assert by_name.loc["00.tif", ["group", "part"]].equals(by_name.loc["20.tif", ["group", "part"]])
    assert by_name.loc["21.tif", "part"] == "blurred"
    parts = by_name["part"].value_counts()
    assert 14 <= parts["train"] <= 18
    assert sum(map(len, in_focus_images.by_source(records, "train"))) == parts["train"]
    (tmp_path / "run").mkdir()
    run = TrainingRun(tmp_path / "run", {})
    for _ in range(2):  # the second time, the rows equal those of the file
        run.keep_split(in_focus_images.SPLIT_COLUMNS, in_focus_images.split_rows(records))
    for part in ("validation", "test"):
        chosen = select_part(records["path"], tmp_path / "run" / "split.csv", part)
        assert chosen == np.flatnonzero(records["part"] == part).tolist()


def test_images_of_a_named_source_stay_together(tmp_path, rng):
    paths = [tmp_path / name for name in ("a__1.tif", "b__1.tif", "a__2.tif")]
    for path in paths:
        write_tiff(path, rng.random((90, 90), dtype=np.float32))
    records = in_focus_images.divide(paths, seed=0)
    assert records["source"].tolist() == ["a", "b", "a"]
    assert records["group"][0] == records["group"][2] != records["group"][1]


def test_sharpness_falls_with_defocus_and_not_with_exposure(rng):
    scene = nuclei(rng, 256, 1.0)
    values = [in_focus_images.sharpness(defocus(scene, depth)) for depth in (0, 4, 8, 16)]
    assert (np.diff(values) < 0).all()
    assert in_focus_images.sharpness(40 * scene + 100) == pytest.approx(values[0], rel=1e-3)
    assert in_focus_images.sharpness(1e9 + scene.astype(float)) == pytest.approx(
        values[0], rel=1e-3
    )
    assert in_focus_images.sharpness(np.full((50, 50), 3)) == 0


def test_blurred_images_alone_are_refused(tmp_path, rng):
    write_tiff(tmp_path / "a.tif", gaussian_filter(rng.random((128, 128)), 9).astype(np.float32))
    with pytest.raises(UserError, match="None of the images is in focus"):
        in_focus_images.divide([tmp_path / "a.tif"], seed=0)
