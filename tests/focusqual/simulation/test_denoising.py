import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from focusqual.simulation import denoising
from focusqual.simulation.camera import add_noise
from focusqual.simulation.scenes import nuclei

SCENE = 100 * nuclei(np.random.default_rng(3), 168, 1.0) + 10


def residual(picture):
    return np.std(picture - picture.mean())


@pytest.mark.parametrize("method", denoising.METHODS)
def test_methods_remove_the_more_noise_the_stronger_they_are(rng, method):
    blank = rng.normal(5, 1, (168, 168)).astype(np.float32)
    weak, usual, strong = (
        residual(method(np.random.default_rng(1), blank, strength)) for strength in (0.5, 1.4, 5)
    )
    assert strong < 0.6
    assert strong <= usual <= weak <= 1


@pytest.mark.parametrize("method", denoising.METHODS)
@pytest.mark.parametrize("photons", [0.3, 3])
def test_usual_strengths_blur_less_than_a_level(rng, method, photons):
    blurs = np.arange(0, 2, 0.1)
    blurred = np.array([gaussian_filter(SCENE, blur) for blur in blurs])
    picture = add_noise(photons * SCENE, rng) / np.float32(photons)
    for strength in denoising.USUAL:
        found = method(np.random.default_rng(2), picture, strength)
        assert blurs[np.square(blurred - found).mean(axis=(1, 2)).argmin()] < 0.85


@pytest.mark.parametrize(
    "method", [denoising.wavelets, denoising.non_local_means, denoising.total_variation]
)
def test_pictures_without_noise_are_not_denoised(rng, method):
    picture = np.zeros((168, 168), np.float32)
    picture[40:120, 30:90] = 1
    np.testing.assert_array_equal(method(rng, picture, 1.0), picture)


def test_all_methods_are_drawn_and_keep_shape_and_dtype(rng, monkeypatch):
    drawn = []
    recording = {
        recording_calls(method, drawn): share for method, share in denoising.METHODS.items()
    }
    monkeypatch.setattr(denoising, "METHODS", recording)
    picture = rng.random((60, 60), dtype=np.float32)
    for _ in range(150):
        found = denoising.denoise(rng, picture, denoising.ANY)
        assert (found.shape, found.dtype) == (picture.shape, np.float32)
    names, strengths = zip(*drawn)
    assert len(set(names)) == len(recording)
    assert 0.5 <= min(strengths) < 0.7
    assert 4 < max(strengths) <= 5


def recording_calls(method, drawn):
    def recorded(rng, picture, strength):
        drawn.append((method.__name__, strength))
        return picture

    return recorded
