import numpy as np
import pytest

from micrograph_networks.images.image_files import write_png
from segment.annotations.dataset import Sample
from segment.inference.model import load_model
from segment.training import teacher
from segment.training.teacher import taught


@pytest.fixture
def model(random_weights):
    return load_model(random_weights)


@pytest.fixture
def image(rng):
    return rng.integers(0, 255, (64, 96, 3)).astype(np.uint8)


def test_probabilities_are_computed_once_and_kept(model, image, tmp_path, monkeypatch):
    write_png(tmp_path / "a.png", image)
    small = Sample("a.png", image[::2, ::2], np.zeros((32, 48), np.uint8))
    (first,) = taught([small], tmp_path, model, tmp_path / "teacher")
    assert (first.taught.shape, first.taught.dtype) == ((32, 48, 3), np.float16)
    np.testing.assert_allclose(first.taught.sum(axis=2, dtype=np.float32), 1, atol=2e-3)
    monkeypatch.setattr(teacher, "mean_of_views", None)
    (again,) = taught([small], tmp_path, model, tmp_path / "teacher")
    np.testing.assert_array_equal(again.taught, first.taught)
