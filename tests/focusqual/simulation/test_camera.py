import numpy as np
import pytest

from focusqual.simulation.camera import add_noise, digitize


def test_noise_is_poisson_plus_read_noise(rng):
    counted = add_noise(np.full(200_000, 50.0), rng, read_noise=3)
    assert counted.mean() == pytest.approx(50, abs=0.1)
    assert counted.var() == pytest.approx(50 + 9, rel=0.02)
    assert add_noise(np.array([-1e-6, 0.0]), rng).tolist() == [0, 0]


@pytest.mark.parametrize("bits, dtype, full", [(8, "uint8", 255), (12, "uint16", 4095)])
def test_gray_levels_saturate(bits, dtype, full):
    digital = digitize(np.array([-5, 1.6, 70000]), bits)
    assert digital.dtype == dtype
    assert digital.tolist() == [0, 2, full]
