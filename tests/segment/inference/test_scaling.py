from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import resize as skimage_resize

from segment.inference.scaling import (
    resize,
    resize_labels,
    resize_rows,
    scaled_shape,
    working_scale,
)

MODEL = SimpleNamespace(working_size=640, cell_diameter=60.0)
lengths = st.integers(1, 90)


def test_the_longer_side_or_the_cells_decide_the_scale():
    assert working_scale((320, 200, 3), MODEL) == 2
    assert working_scale((1280, 2560), MODEL) == 0.25
    assert working_scale((1280, 2560), MODEL, cell_diameter=30) == 2
    assert scaled_shape((1280, 2560, 3), 0.25) == (320, 640)
    assert scaled_shape((1, 3000), 0.2) == (1, 600)


@given(lengths, lengths)
def test_resizing_is_symmetric_and_keeps_the_mean(source, target):
    ramp = np.repeat(np.arange(source, dtype=np.float32)[:, None], 3, axis=1)
    resized = resize(ramp, (target, 3))
    np.testing.assert_allclose(resized, source - 1 - resized[::-1], atol=1e-3)
    assert resized.mean() == pytest.approx((source - 1) / 2, abs=1e-3)
    assert (np.diff(resized, axis=0) >= 0).all()


@pytest.mark.parametrize("shape", [(50, 61), (30, 40), (31, 90)])  # (30, 40) is the same size
def test_enlarging_is_bilinear(rng, shape):
    image = rng.random((30, 40, 3)).astype(np.float32)
    expected = skimage_resize(image, shape, order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(resize(image, shape), expected, atol=1e-5)


def test_shrinking_averages(rng):
    noise = rng.random((400, 400)).astype(np.float32)
    small = resize(noise, (50, 50))
    assert small.std() < noise.std() / 8
    assert small.mean() == pytest.approx(noise.mean(), abs=0.01)
    assert resize(np.ones((7, 9, 2)), (3, 20)).tolist() == np.ones((3, 20, 2)).tolist()


@pytest.mark.parametrize("height", [70, 200, 333])
def test_rows_are_resized_as_in_the_whole_image(rng, height):
    image = rng.random((200, 30)).astype(np.float32)
    rows = np.empty((height // 2, 20), np.float32)
    top, bottom = 9 * 200 / height, (9 + height // 2) * 200 / height
    resize_rows(image, top, bottom, rows, lambda part: 2 * part)
    expected = 2 * resize(image, (height, 20))[9 : 9 + height // 2]
    np.testing.assert_allclose(rows, expected, atol=1e-4)


@given(lengths, lengths, lengths)
def test_labels_stay_labels(source, target, other):
    labels = np.arange(source * other, dtype=np.uint8).reshape(source, other)
    resized = resize_labels(labels, (target, other))
    assert resized.dtype == np.uint8
    assert resized.shape == (target, other)
    assert set(resized.ravel()) <= set(labels.ravel())
    if target == source:
        np.testing.assert_array_equal(resized, labels)
    doubled = resize_labels(labels, (2 * source, 2 * other))
    np.testing.assert_array_equal(doubled, labels.repeat(2, 0).repeat(2, 1))
