import numpy as np
import pytest

from focusqual.simulation.defocus import defocus
from focusqual.simulation.degradation import degrade
from micrograph_networks.errors import UserError


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_it_defocuses_and_keeps_the_dtype(rng, dtype):
    image = rng.integers(0, 250, (60, 60)).astype(dtype)
    degraded = degrade(image, 4)
    assert degraded.dtype == dtype
    np.testing.assert_allclose(degraded, defocus(image, 8), atol=0.51)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", ">u2", "int32", "uint32", "int64", "uint64"]
)
def test_integers_keep_their_range(rng, dtype):
    info = np.iinfo(dtype)
    image = rng.integers(0, 100, (60, 60)).astype(dtype)
    image[0, :2] = info.min, info.max
    np.testing.assert_array_equal(degrade(image, 0), image)
    brighter = degrade(image, 0, exposure=1e18)
    assert brighter.dtype == dtype
    assert brighter.max() == info.max
    assert brighter.min() == info.min
    blurred = degrade(image, 2).astype(float)
    np.testing.assert_allclose(blurred, defocus(image, 4), rtol=1e-6, atol=0.51)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bool"])
def test_other_dtypes_keep_their_range(rng, dtype):
    image = (rng.random((60, 60)) < 0.5).astype(dtype)
    np.testing.assert_array_equal(degrade(image, 0), image)
    brighter = degrade(image, 0, exposure=1e6)
    assert brighter.dtype == dtype
    assert np.isfinite(brighter).all()


@pytest.mark.parametrize("dtype, offset", [(np.float64, 1e9), (np.uint32, 3 * 10**9)])
def test_a_large_camera_offset_is_kept(rng, dtype, offset):
    image = rng.integers(0, 1000, (60, 60)).astype(dtype)
    degraded = degrade(image + dtype(offset), 2) - dtype(offset)
    np.testing.assert_allclose(degraded, degrade(image, 2), atol=1)


def test_masked_and_nan_pixels_stay_and_do_not_spread(rng):
    image = rng.random((60, 60))
    outside = np.zeros((60, 60), bool)
    outside[20:30, 20:30] = True
    degraded = degrade(np.where(outside, np.nan, image), 3)
    np.testing.assert_array_equal(np.isnan(degraded), outside)
    masked = degrade(np.ma.masked_array(np.where(outside, 1e6, image), outside), 3)
    np.testing.assert_array_equal(np.ma.getmaskarray(masked), outside)
    np.testing.assert_array_equal(masked.filled(np.nan), degraded)


def test_an_empty_image_is_refused():
    with pytest.raises(UserError, match="has no pixels"):
        degrade(np.zeros((0, 5)), 1)


def test_exposure_keeps_the_offset_and_saturates(rng):
    image = rng.integers(100, 200, (60, 60), dtype=np.uint8)
    darker = degrade(image, 0, exposure=0.5, offset=100)
    np.testing.assert_allclose(darker, 50 + image / 2, atol=0.5)
    assert degrade(image, 0, exposure=10, offset=0).min() == 255


def test_noise_follows_the_photons():
    image = np.full((200, 200), 1000, dtype=np.uint16)
    noisy = degrade(image, 0, photons=400)
    assert noisy.mean() == pytest.approx(1000, rel=0.01)
    assert noisy.std() == pytest.approx(50, rel=0.05)
    np.testing.assert_array_equal(noisy, degrade(image, 0, photons=400))
