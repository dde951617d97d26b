import numpy as np
import pytest
from scipy import stats

from focusqual.simulation.camera import add_noise, add_noise_quickly, digitize


def test_noise_is_poisson_plus_read_noise(rng):
    counted = add_noise(np.full(200_000, 50.0), rng, read_noise=3)
    assert counted.mean() == pytest.approx(50, abs=0.1)
    assert counted.var() == pytest.approx(50 + 9, rel=0.02)
    assert add_noise(np.array([-1e-6, 0.0]), rng).tolist() == [0, 0]


@pytest.mark.parametrize("mean", [0, 0.3, 3.9, 4, 9.5, 200])
def test_quick_noise_is_nearly_poisson(rng, mean):
    counted = add_noise_quickly(np.full(400_000, mean, np.float32), rng)
    assert counted.dtype == np.float32
    values = np.arange(counted.max() + 1)
    below = np.searchsorted(np.sort(counted), values, side="right") / counted.size
    np.testing.assert_allclose(below, stats.poisson.cdf(values, mean), atol=0.006)
    assert counted.mean() == pytest.approx(mean, abs=0.005 * np.sqrt(mean))
    assert counted.var() == pytest.approx(mean, rel=0.015)
    assert (counted == np.rint(counted)).all()


def test_quick_noise_mixes_few_and_many_photons_and_adds_read_noise(rng):
    photons = np.array([-1e-6, 0, 1, 50], np.float32).repeat(100_000)
    counted = add_noise_quickly(photons, rng, read_noise=3).reshape(4, -1)
    np.testing.assert_allclose(counted.mean(axis=1), [0, 0, 1, 50], atol=0.1)
    np.testing.assert_allclose(counted.var(axis=1), [9, 9, 10, 59], rtol=0.02)


@pytest.mark.parametrize("bits, dtype, full", [(8, "uint8", 255), (12, "uint16", 4095)])
def test_gray_levels_saturate(bits, dtype, full):
    digital = digitize(np.array([-5, 1.6, 70000]), bits)
    assert digital.dtype == dtype
    assert digital.tolist() == [0, 2, full]
