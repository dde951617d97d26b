import numpy as np
import pytest

from focusqual.simulation.defocus import defocus
from focusqual.simulation.degradation import degrade


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_it_defocuses_and_keeps_the_dtype(rng, dtype):
    image = rng.integers(0, 250, (60, 60)).astype(dtype)
    degraded = degrade(image, 4)
    assert degraded.dtype == dtype
    np.testing.assert_allclose(degraded, defocus(image, 8), atol=0.51)


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
