import numpy as np
import pytest

from focusqual.inference.normalization import BLOCK, normalize


@pytest.fixture
def patches(rng):
    return rng.integers(100, 3000, (5, 84, 84)).astype(np.uint16)


@pytest.mark.parametrize("gain, offset", [(1 / 4095, 0), (1 / 65535, 0), (4, 0), (16, 5000)])
def test_exposure_scaling_and_offset_do_not_matter(patches, gain, offset):
    changed = patches * np.float32(gain) + np.float32(offset)
    np.testing.assert_allclose(normalize(changed), normalize(patches), atol=2e-4)


def test_patches_are_standardized_then_compressed(patches):
    standardized = np.sinh(normalize(patches))
    np.testing.assert_allclose(standardized.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(standardized.std(axis=(1, 2)), 1, rtol=1e-5)
    assert normalize(patches).dtype == np.float32


def test_blocks_of_patches_are_exact_to_float32(rng):
    patches = rng.gamma(0.1, 300, (BLOCK + 1, 84, 84))
    mean, deviation = (found((1, 2), keepdims=True) for found in (patches.mean, patches.std))
    expected = np.arcsinh((patches - mean) / deviation)
    assert expected.max() > 3
    np.testing.assert_allclose(normalize(patches), expected, atol=1e-5)
    assert normalize(patches[:0]).shape == (0, 84, 84)


@pytest.mark.parametrize("value", [0, 1e-3, 0.1, 105, 65535])
def test_a_constant_patch_is_zero(value):
    assert not normalize(np.full((2, 84, 84), value)).any()
