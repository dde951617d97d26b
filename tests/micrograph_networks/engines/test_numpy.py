import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support import needs_tensorflow

import focusqual
import segment
from micrograph_networks.engines import EngineOptions, OutOfMemory, load_functions
from micrograph_networks.engines import numpy as engine
from micrograph_networks.networks.layers import Convolution, Network, Softmax

NUMPY = "numpy"
SMALL = Network("small", (None, None, 1), (Convolution("conv", 2), Softmax("probabilities")))
ARRAYS = {
    "conv": {"kernel": np.ones((3, 3, 1, 2), np.float32), "bias": np.zeros(2, np.float32)},
}


def plain_convolution(x, kernel, stride):
    """Convolve pixel by pixel, with the padding that TensorFlow documents as "SAME"."""
    size = kernel.shape[0]
    shape = [-(-length // stride) for length in x.shape[1:3]]
    missing = [
        max((out - 1) * stride + size - length, 0) for out, length in zip(shape, x.shape[1:3])
    ]
    padding = [(total // 2, total - total // 2) for total in missing]
    padded = np.pad(x.astype(float), [(0, 0), *padding, (0, 0)])
    result = np.empty((len(x), *shape, kernel.shape[3]))
    for row, column in np.ndindex(*shape):
        top, left = row * stride, column * stride
        window = padded[:, top : top + size, left : left + size]
        result[:, row, column] = np.tensordot(window, kernel, 3)
    return result


def normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


@pytest.fixture(params=[1, 2, 3])
def operations(request):
    with ThreadPoolExecutor(request.param) as pool:
        yield engine.NumpyOperations(request.param, pool.map)


@pytest.mark.parametrize(
    ("shape", "outputs", "size", "stride"),
    [
        ((1, 32, 32, 8), 16, 3, 1),  # by Winograd
        ((2, 30, 40, 32), 5, 3, 1),  # rows that are no multiple of a tile
        ((1, 33, 35, 9), 7, 3, 1),
        ((1, 400, 4, 16), 16, 3, 1),  # several bands
        ((1, 32, 32, 16), 256, 3, 1),  # output channels apart
        ((1, 40, 40, 3), 4, 3, 1),  # unfolded
        ((3, 6, 6, 8), 9, 3, 1),
        ((3, 21, 21, 4), 6, 3, 2),
        ((300, 6, 8, 4), 6, 3, 2),
        ((1, 300, 299, 4), 3, 3, 2),  # several bands
        ((2, 7, 12, 5), 3, 5, 3),
        ((2, 5, 4, 3), 2, 1, 2),
        ((1, 1, 1, 8), 8, 3, 1),
    ],
)
def test_convolutions_follow_their_definition(rng, operations, shape, outputs, size, stride):
    x, kernel = normal(rng, *shape), normal(rng, size, size, shape[3], outputs) / shape[3] ** 0.5
    bias = normal(rng, outputs)
    plain = plain_convolution(x, kernel, stride)
    added = normal(rng, *plain.shape)
    found = operations.convolve(x, operations.constant(kernel), stride, None, None, relu=False)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain, atol=1e-4)
    found = operations.convolve(x, operations.constant(kernel), stride, bias, added, relu=True)
    np.testing.assert_allclose(found, np.maximum(plain + bias + added, 0), atol=1e-4)


def test_other_operations_follow_their_definitions(rng, operations):
    x = normal(rng, 2, 6, 8, 3)
    blocks = x.reshape(2, 3, 2, 4, 2, 3)
    odd = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=9)
    assert np.array_equal(operations.max_pool(x), blocks.max(axis=(2, 4)))
    assert np.array_equal(operations.max_pool(odd), blocks.max(axis=(2, 4)))
    assert np.array_equal(operations.upsample(x), x.repeat(2, axis=1).repeat(2, axis=2))
    corners = [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    assert np.array_equal(operations.blocks_to_channels(x), np.concatenate(corners, axis=-1))
    flat = x.reshape(2, -1, 3)
    pooled = np.concatenate([flat.mean(axis=1), flat.max(axis=1)], axis=1)
    np.testing.assert_allclose(operations.global_pool(x), pooled, atol=1e-6)
    kernel, bias = normal(rng, 3, 5), normal(rng, 5)
    product = pooled[:, :3] @ kernel + bias
    np.testing.assert_allclose(
        operations.multiply(pooled[:, :3], kernel, bias, relu=False), product, atol=1e-6
    )
    relu = operations.multiply(pooled[:, :3], kernel, bias, relu=True)
    np.testing.assert_allclose(relu, np.maximum(product, 0), atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 6, 3)])
def test_softmax_sums_to_one_also_for_large_numbers(rng, operations, shape):
    logits = 1000 * normal(rng, *shape)
    found = operations.softmax(logits)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-6)
    assert np.array_equal(found.argmax(axis=-1), logits.argmax(axis=-1))
    even = operations.softmax(np.log(np.array([[1, 2, 5]], np.float32)))
    np.testing.assert_allclose(even, [[0.125, 0.25, 0.625]], atol=1e-6)


def shipped_function(core, engine_name):
    model = core.load_model(engine=EngineOptions(engine_name))
    batches = model.batches if core is focusqual else model.tiles
    return batches.run(lambda function, size: function)


@needs_tensorflow
@pytest.mark.parametrize(
    ("core", "shape", "scale"),
    [
        (focusqual, (33, 84, 84, 1), 1),
        (segment, (1, 224, 352, 3), 60),
        (segment, (1, 32, 32, 3), 60),
    ],
)
def test_shipped_models_give_the_numbers_of_tensorflow(rng, core, shape, scale):
    images = scale * normal(rng, *shape)
    found, expected = (shipped_function(core, name)(images) for name in ("numpy", "tensorflow"))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_no_images_give_no_probabilities(rng):
    (probabilities,) = load_functions(SMALL, ARRAYS, NUMPY)
    assert probabilities(normal(rng, 0, 4, 4, 1)).shape == (0, 4, 4, 2)


@pytest.mark.parametrize("count", [1, 40])
def test_lack_of_memory_is_reported_as_our_own_error(rng, monkeypatch, count):
    def fail(*arguments):
        raise MemoryError("Unable to allocate 9 TiB")

    (probabilities,) = load_functions(SMALL, ARRAYS, NUMPY)
    monkeypatch.setattr(engine.Unfolding, "compute", fail)
    with pytest.raises(OutOfMemory, match="9 TiB"):
        probabilities(normal(rng, count, 4, 4, 1))


def test_threadpoolctl_may_be_missing(rng, monkeypatch):
    (probabilities,) = load_functions(SMALL, ARRAYS, NUMPY)
    images = normal(rng, 2, 9, 9, 1)
    expected = probabilities(images)
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda name: None)
    np.testing.assert_allclose(probabilities(images), expected, atol=1e-6)


def test_threads_compute_one_after_the_other_and_blas_starts_no_threads(monkeypatch):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    compute, seen, inside = engine.Unfolding.compute, [], []

    def blas_threads():
        pools = threadpoolctl.threadpool_info()
        return {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}

    def look(*arguments):
        inside.append(arguments)
        time.sleep(0.2)  # so that the other thread could begin to compute
        seen.append((len(inside), blas_threads()))
        compute(*arguments)
        inside.pop()

    monkeypatch.setattr(engine.Unfolding, "compute", look)
    (probabilities,) = load_functions(SMALL, ARRAYS, NUMPY)
    images, before = np.ones((1, 9, 9, 1), np.float32), blas_threads()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(probabilities, [images, images]))
    assert seen == [(1, {1})] * 2
    assert blas_threads() == before
