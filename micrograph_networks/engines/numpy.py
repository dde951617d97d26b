"""Networks computed by NumPy alone, in threads of our own."""

import contextlib
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, ContextManager, Iterable, Iterator, List, Optional, Tuple

import numpy as np

from micrograph_networks.engines import InferenceFunction, OutOfMemory
from micrograph_networks.errors import UserError
from micrograph_networks.networks.computing import Arrays, Operations, compute, prepare
from micrograph_networks.networks.layers import Network
from micrograph_networks.resources.cpus import cpu_share

IMAGES = 8
"""How many small images a thread takes through the network at a time."""
COLUMNS = 1 << 17
"""About how many numbers a thread unfolds for a matrix product; they stay in its cache."""
TILES = 160
"""About how many tiles a thread takes through a Winograd convolution at a time."""
WINOGRAD_CHANNELS, WINOGRAD_PIXELS = 8, 1024
"""The fewest input channels and pixels for which a Winograd convolution is the quicker one."""

TILE = 4
TRANSFORM = np.array(
    [
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [1 / 4, 0, 0],
        [0, 0, 1],
    ]
)
"""G of F(4, 3) for kernels, one row each for the points 1, -1, 2, -2, 0 and infinity."""


def import_framework() -> None:
    """Nothing is to be imported."""


def load(network: Network, arrays: Arrays, bfloat16: bool) -> Tuple[InferenceFunction, ...]:
    """An engine's function: see :func:`micrograph_networks.engines.load_functions`."""
    if bfloat16:
        raise UserError(
            "The engine numpy computes in float32 only: "
            "choose the engine tensorflow, or do without bfloat16."
        )
    steps, threads = prepare(network, arrays, NumpyOperations()), cpu_share()

    def probabilities(images: np.ndarray) -> np.ndarray:
        try:
            with _single_threaded_blas(), ThreadPoolExecutor(threads) as pool:
                if len(images) == 1:
                    return compute(steps, NumpyOperations(threads, pool.map), images)
                pieces = [images[i : i + IMAGES] for i in range(0, len(images), IMAGES)]
                found = pool.map(lambda piece: compute(steps, NumpyOperations(), piece), pieces)
                return np.concatenate(list(found))
        except MemoryError as error:
            raise OutOfMemory(str(error)) from error

    return (probabilities,)


def _single_threaded_blas() -> ContextManager:
    """A context in which matrix products, each in a thread of ours, start no threads of their own.

    Without threadpoolctl they do, which is slower and no less right.
    """
    if importlib.util.find_spec("threadpoolctl") is None:
        return contextlib.nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


class NumpyOperations(Operations):
    """The operations in NumPy.

    Parameters
    ----------
    threads : int
    run : callable
        As the built-in map, but in threads.
    """

    def __init__(self, threads: int = 1, run: Callable[..., Iterable] = map) -> None:
        self._threads, self._run = threads, run

    def _share(self, work: Callable[[Iterator], None], tasks: Iterable) -> None:
        """Call a function in every thread with one and the same iterator of tasks."""
        list(self._run(work, [iter(tasks)] * self._threads))

    def constant(self, array):
        return np.ascontiguousarray(array, dtype=np.float32)

    def convolve(self, x, kernel, stride, bias, added, relu):
        n, height, width, channels = x.shape
        shape = (n, -(-height // stride), -(-width // stride), kernel.shape[-1])
        result = np.empty(shape, dtype=np.float32)
        winograd = (
            (*kernel.shape[:2], stride) == (3, 3, 1)
            and channels >= WINOGRAD_CHANNELS
            and height * width >= WINOGRAD_PIXELS
        )
        if winograd:
            self._winograd(x, kernel, bias, added, relu, result)
        else:
            self._unfolded(x, kernel, stride, bias, added, relu, result)
        return result

    def _winograd(self, x, kernel, bias, added, relu, result):
        rows, cols = -(-x.shape[1] // TILE), -(-x.shape[2] // TILE)
        bands = max(self._threads, rows * cols // TILES)
        height = -(-rows // bands)
        transformed = self._transform(kernel)

        def work(tasks):
            band = WinogradBand(height, cols, transformed, bias, relu)
            for image, top in tasks:
                band.compute(
                    x[image], top, None if added is None else added[image], result[image]
                )

        self._share(work, [(i, top) for i in range(len(x)) for top in range(0, rows, height)])

    def _transform(self, kernel):
        """Kernels in Winograd's form, (3, 2, 6, in, out), of (3, 3, in, out)."""
        channels = kernel.shape[2:]
        transformed = np.empty((3, 2, 6, *channels), dtype=np.float32)
        square = np.kron(TRANSFORM, TRANSFORM).astype(np.float32)
        flat, source = transformed.reshape(36, -1), kernel.reshape(9, -1)
        step = -(-flat.shape[1] // self._threads)

        def work(tasks):
            for start in tasks:
                part = slice(start, start + step)
                np.matmul(square, source[:, part], out=flat[:, part])

        self._share(work, range(0, flat.shape[1], step))
        return transformed

    def _unfolded(self, x, kernel, stride, bias, added, relu, result):
        size, channels = kernel.shape[0], x.shape[3]
        n, height, width, _ = result.shape
        matrix = kernel.reshape(-1, kernel.shape[-1])
        before = [
            max((out - 1) * stride + size - length, 0) // 2
            for out, length in zip((height, width), x.shape[1:3])
        ]
        images = max(COLUMNS // (height * width * len(matrix)), 1)
        rows = min(max(COLUMNS // (width * len(matrix)), 1), height)

        def work(tasks):
            source_shape = (images, (rows - 1) * stride + size, (width - 1) * stride + size)
            source = np.empty((*source_shape, channels), dtype=np.float32)
            columns = np.empty((images, rows, width, size, size * channels), dtype=np.float32)
            line, pixel = source.strides[1:3]
            windows = np.lib.stride_tricks.as_strided(
                source,
                columns.shape,
                (source.strides[0], line * stride, pixel * stride, line, source.itemsize),
                writeable=False,
            )
            for first, top in tasks:
                part = np.s_[first : first + images, top : top + rows]
                out = result[part]
                count = out.shape[:2]
                _cut(x[first : first + images], top * stride - before[0], -before[1], source)
                np.copyto(columns, windows)
                found = columns[: count[0], : count[1]].reshape(-1, len(matrix))
                np.matmul(found, matrix, out=out.reshape(-1, out.shape[-1]))
                if bias is not None:
                    out += bias
                if added is not None:
                    out += added[part]
                if relu:
                    np.maximum(out, 0, out=out)

        tasks = [(i, top) for i in range(0, n, images) for top in range(0, height, rows)]
        self._share(work, tasks)

    def multiply(self, x, kernel, bias, relu):
        x = x @ kernel + bias
        return np.maximum(x, 0, out=x) if relu else x

    def blocks_to_channels(self, x):
        n, height, width, channels = x.shape
        result = np.empty((n, height // 2, width // 2, 4, channels), dtype=np.float32)
        for block, (row, column) in enumerate(np.ndindex(2, 2)):
            result[..., block, :] = x[:, row::2, column::2]
        return result.reshape(*result.shape[:3], -1)

    def max_pool(self, x):
        n, height, width, channels = x.shape
        height, width = height // 2, width // 2
        result = np.empty((n, height, width, channels), dtype=np.float32)

        def work(tasks):
            for row in tasks:
                pair = np.maximum(x[:, 2 * row], x[:, 2 * row + 1])
                np.maximum(pair[:, : 2 * width : 2], pair[:, 1::2], out=result[:, row])

        self._share(work, range(height))
        return result

    def upsample(self, x):
        n, height, width, channels = x.shape
        result = np.empty((n, height, 2, width, 2, channels), dtype=np.float32)

        def work(tasks):
            for row in tasks:
                result[:, row] = x[:, row, None, :, None]

        self._share(work, range(height))
        return result.reshape(n, 2 * height, 2 * width, channels)

    def global_pool(self, x):
        return np.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))], axis=1)

    def softmax(self, x):
        x = np.exp(x - x.max(axis=-1, keepdims=True))
        x /= x.sum(axis=-1, keepdims=True)
        return x


def _cut(images: np.ndarray, top: int, left: int, result: np.ndarray) -> None:
    """Cut a rectangle that may reach beyond the images, where there are zeros.

    Parameters
    ----------
    images : ndarray, (n, height, width, channels)
    top, left : int
        May be negative.
    result : ndarray, (n or more, rows, cols, channels)
        Written to.
    """
    result.fill(0)
    inside = images[:, max(top, 0) : top + result.shape[1], max(left, 0) : left + result.shape[2]]
    n, rows, cols, _ = inside.shape
    result[:n, max(-top, 0) :, max(-left, 0) :][:, :rows, :cols] = inside


class WinogradBand:
    """Work arrays of a convolution with 3x3 pixels for a band of tiles of 4x4 pixels of its result.

    Lavin and Gray 2016, Fast algorithms for convolutional neural networks, F(4x4, 3x3).
    """

    def __init__(
        self, rows: int, cols: int, kernel: np.ndarray, bias: Optional[np.ndarray], relu: bool
    ) -> None:
        self._kernel, self._bias, self._relu = kernel, bias, relu
        inputs, outputs = kernel.shape[-2:]

        def array(*shape: int) -> np.ndarray:
            return np.empty(shape, dtype=np.float32)

        lines = TILE * rows + 2
        self._source = np.zeros((TILE, lines, cols + 1, inputs), dtype=np.float32)
        self._half = array(6, lines, cols, inputs)
        self._scratch = array(2, lines, cols, inputs)
        self._scratch2 = array(2, 6, rows, cols, inputs)
        self._points = array(2, 6, rows, cols, inputs)
        self._products = array(2, 6, rows * cols, outputs)
        self._half_back = array(4, 6, rows * cols * outputs)
        self._tiles = array(4, 4, rows, cols, outputs)
        self._zeros = np.zeros((rows, cols, outputs), dtype=np.float32)
        self._rows, self._cols = rows, cols

    def compute(self, image, top, added, result):
        self._read(image, top)
        source = [self._source[k % 4][:, k // 4 : k // 4 + self._cols] for k in range(6)]
        half = self._half
        for _ in _to_points(source, [half[0:2], half[2:4], half[4:6]], *self._scratch):
            pass
        lines = [half[:, k : k + 4 * self._rows - 3 : 4] for k in range(6)]
        flat = self._points.reshape(2, 6, self._rows * self._cols, -1)
        back = self._half_back
        shape = (2, 6, back.shape[-1])
        for step, pair in enumerate(_to_points(lines, [self._points] * 3, *self._scratch2)):
            np.matmul(flat, self._kernel[step], out=self._products)
            if step == 0 and self._bias is not None:
                self._products[0, 0] += self._bias
            _from_points(step, self._products.reshape(shape), back)
        tiles = self._tiles.reshape(4, 4, -1)
        for step in range(3):
            _from_points(step, [back[:, 2 * step], back[:, 2 * step + 1]], tiles)
        if added is not None:
            for tile, place in self._places(added, top):
                tile += place
        if self._relu:
            np.maximum(self._tiles, self._zeros, out=self._tiles)
        for tile, place in self._places(result, top):
            np.copyto(place, tile)

    def _places(self, image, top):
        """Pixels of the band's tiles and where they are in an image."""
        band = image[TILE * top : TILE * (top + self._rows)]
        for row, column in np.ndindex(TILE, TILE):
            place = band[row::TILE, column::TILE]
            yield self._tiles[column, row, : place.shape[0], : place.shape[1]], place

    def _read(self, image, top):
        """Sort pixels by their column in a tile."""
        height = image.shape[0]
        start = TILE * top - 1
        first, last = max(start, 0), min(start + self._source.shape[1], height)
        self._source[:, : first - start] = 0
        self._source[:, last - start :] = 0
        for k in range(TILE):
            part = image[first:last, (k - 1) % TILE :: TILE][:, : self._cols + 1]
            shift = int(k == 0)
            part = part[:, : self._cols + 1 - shift]
            self._source[k, first - start : last - start, shift : shift + part.shape[1]] = part


def _to_points(d, pairs, a, b):
    """From six pixels to the polynomial's values at points, a pair at a time: B of F(4, 3)."""
    first, second = pairs[0]
    np.multiply(d[2], 4, out=a)
    np.subtract(d[4], a, out=a)
    np.multiply(d[1], 4, out=b)
    np.subtract(d[3], b, out=b)
    np.add(a, b, out=first)
    np.subtract(a, b, out=second)
    yield
    first, second = pairs[1]
    np.subtract(d[4], d[2], out=a)
    np.subtract(d[3], d[1], out=b)
    np.multiply(b, 2, out=b)
    np.add(a, b, out=first)
    np.subtract(a, b, out=second)
    yield
    first, second = pairs[2]
    np.subtract(d[2], d[0], out=first)
    np.multiply(first, 4, out=first)
    np.subtract(a, first, out=first)
    np.multiply(b, 2, out=b)
    np.subtract(d[5], d[3], out=second)
    np.subtract(second, b, out=second)
    yield


def _from_points(step, pair, y):
    """From products at a pair of points to four pixels, which are summed up: A of F(4, 3)."""
    first, second = pair
    if step == 0:
        np.add(first, second, out=y[0])
        np.subtract(first, second, out=y[1])
    elif step == 1:
        np.add(first, second, out=y[2])
        np.subtract(first, second, out=y[3])
        np.multiply(y[3], 2, out=y[3])
        for near, far in ((y[0], y[2]), (y[1], y[3])):
            near += far
            far *= 3
            far += near
    else:
        y[0] += first
        y[3] += second
