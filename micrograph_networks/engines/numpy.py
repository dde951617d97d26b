"""The NumPy engine: networks computed in threads by NumPy alone.

Many images are divided among the threads, and each thread takes its images through the whole
network. For a single image, the work of every layer is divided.
"""

import contextlib
import functools
import importlib.util
import itertools
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import (
    Any,
    Callable,
    ContextManager,
    Dict,
    Iterable,
    Iterator,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np

from micrograph_networks.cpus import cpu_share
from micrograph_networks.engines import InferenceFunction, OutOfMemory
from micrograph_networks.networks.computing import Arrays, Operations, compute, prepare
from micrograph_networks.networks.layers import Network

# The best values measured on an AMD EPYC (Zen 3) with 512 KB of second-level cache for each core.
IMAGES = 64
"""Maximum number of images that a thread takes through the network at a time."""
UNFOLDED = 1 << 18
"""Approximate number of values that a thread unfolds for one matrix product, to fit its cache."""
BAND = 40_000
"""Approximate number of values of each of a Winograd band's 36 products."""
TILES = (100, 320)
"""Minimum and maximum number of tiles in a Winograd band; products of fewer tiles are slow."""
GROUP = 64
"""Minimum number of output channels in a group, if there are fewer bands than threads."""
WINOGRAD_CHANNELS, WINOGRAD_PIXELS = 8, 1024
"""Minimum numbers of input channels and pixels for which a Winograd convolution is faster."""

TILE = 4
POINTS = 6
KERNEL_TO_POINTS = np.array(
    [
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [1 / 4, 0, 0],
        [0, 0, 1],
    ]
)
"""Matrix G of F(4, 3), with one row for each of the points 1, -1, 2, -2, 0 and infinity."""


def problem(bfloat16: bool) -> str:
    """Return why the engine cannot compute, empty if it can: see the head of engines."""
    return "The engine numpy does not compute in bfloat16." if bfloat16 else ""


def load(network: Network, arrays: Arrays, bfloat16: bool) -> Tuple[InferenceFunction]:
    """Load a network: see :func:`micrograph_networks.engines.load_functions`."""
    steps, threads = prepare(network, arrays, NumpyOperations()), cpu_share()

    def probabilities(images: np.ndarray) -> np.ndarray:
        rounds = max(math.ceil(len(images) / (threads * IMAGES)), 1)
        size = max(math.ceil(len(images) / (threads * rounds)), 1)
        batches = [images[i : i + size] for i in range(0, max(len(images), 1), size)]
        try:
            with _computing_alone, _single_threaded_blas(), ThreadPoolExecutor(threads) as pool:
                if len(batches) == 1:
                    return compute(steps, NumpyOperations(threads, pool.map), images)
                found = pool.map(lambda batch: compute(steps, NumpyOperations(), batch), batches)
                return np.concatenate(list(found))
        except MemoryError as error:
            raise OutOfMemory(str(error)) from error

    return (probabilities,)


_computing_alone = threading.Lock()
"""Computations run one at a time: the limit of BLAS is process-wide and must be reset by the thread
that set it. Each computation uses all threads anyway."""


def _single_threaded_blas() -> ContextManager:
    """Return a context in which BLAS starts no threads of its own.

    Without threadpoolctl, BLAS starts its own threads: slower, but correct.
    """
    if importlib.util.find_spec("threadpoolctl") is None:
        return contextlib.nullcontext()
    return _blas().limit(limits=1, user_api="blas")


@functools.lru_cache(maxsize=None)
def _blas() -> Any:
    """Find the loaded libraries, NumPy's BLAS among them, once: the search takes up to 0.03 s."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class Finish(NamedTuple):
    """Last steps of a convolution (bias, addition, ReLU): see :meth:`Operations.convolve`."""

    bias: Optional[np.ndarray]
    added: Optional[np.ndarray]
    relu: bool


class ThreadCache(threading.local):
    """Work arrays that each thread keeps from one convolution for the next of the same sizes."""

    def __init__(self) -> None:
        self.unfoldings: Dict[Tuple, Unfolding] = {}


class NumpyOperations(Operations):
    """Operations on NumPy arrays.

    Parameters
    ----------
    threads : int
        Number of threads.
    run : callable
        Replacement of the built-in map that runs in threads.
    """

    def __init__(self, threads: int = 1, run: Callable[..., Iterable] = map) -> None:
        self._threads, self._run = threads, run
        self._cache = ThreadCache()

    def _share(self, work: Callable[[Iterator], None], tasks: Iterable) -> None:
        """Call a function in every thread with the same iterator, so that each takes some tasks.

        The iterator must be a built-in one, because only its steps are atomic.
        """
        list(self._run(work, [iter(tasks)] * self._threads))

    def constant(self, array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array, dtype=np.float32)

    def convolve(
        self,
        x: np.ndarray,
        kernel: np.ndarray,
        stride: int,
        bias: Optional[np.ndarray],
        added: Optional[np.ndarray],
        relu: bool,
    ) -> np.ndarray:
        n, height, width, channels = x.shape
        shape = (n, math.ceil(height / stride), math.ceil(width / stride), kernel.shape[3])
        result = np.empty(shape, dtype=np.float32)
        large = channels >= WINOGRAD_CHANNELS and height * width >= WINOGRAD_PIXELS
        if large and (*kernel.shape[:2], stride) == (3, 3, 1):
            self._convolve_winograd(x, kernel, Finish(bias, added, relu), result)
        else:
            self._convolve_unfolded(x, kernel, stride, Finish(bias, added, relu), result)
        return result

    def _convolve_winograd(
        self, x: np.ndarray, kernel: np.ndarray, finish: Finish, result: np.ndarray
    ) -> None:
        n, rows, cols = len(x), *(math.ceil(length / TILE) for length in x.shape[1:3])
        inputs, outputs = kernel.shape[2:]
        tiles = min(max(BAND // max(inputs, outputs), TILES[0]), TILES[1])
        bands = math.ceil(rows / max(tiles // cols, 1))
        if bands > self._threads:
            # The same number for every thread, so that none waits for the others.
            bands = math.ceil(bands / self._threads) * self._threads
        height = math.ceil(rows / bands)
        tops, group = range(0, rows, height), outputs
        while n * len(tops) * outputs // group < self._threads and group % (2 * GROUP) == 0:
            group //= 2
        points = self._kernel_to_points(kernel)

        def work(tasks: Iterator) -> None:
            band = WinogradBand(height, cols, inputs, group)
            for image, top, first in tasks:
                part = np.s_[..., first : first + group]
                own = Finish(
                    None if finish.bias is None else finish.bias[part],
                    None if finish.added is None else finish.added[image][part],
                    finish.relu,
                )
                band.compute(x[image], top, points[part], own, result[image][part])

        self._share(work, itertools.product(range(n), tops, range(0, outputs, group)))

    def _kernel_to_points(self, kernel: np.ndarray) -> np.ndarray:
        """Return the values of kernels (3, 3, in, out) at all pairs of points, (3, 2, 6, in, out).

        They are computed for every image, because they take four times the memory of the kernels.
        """
        points = np.empty((3, 2, POINTS, *kernel.shape[2:]), dtype=np.float32)
        both = np.kron(KERNEL_TO_POINTS, KERNEL_TO_POINTS).astype(np.float32)
        source, target = kernel.reshape(9, -1), points.reshape(POINTS**2, -1)
        step = math.ceil(source.shape[1] / self._threads)

        def work(tasks: Iterator) -> None:
            for start in tasks:
                part = np.s_[:, start : start + step]
                np.matmul(both, source[part], out=target[part])

        self._share(work, range(0, source.shape[1], step))
        return points

    def _convolve_unfolded(
        self, x: np.ndarray, kernel: np.ndarray, stride: int, finish: Finish, result: np.ndarray
    ) -> None:
        n, height, width, _ = result.shape
        # The bias is the kernel of an additional input that is 1 everywhere.
        bias = [] if finish.bias is None else [finish.bias[None]]
        matrix = np.concatenate([kernel.reshape(-1, kernel.shape[3]), *bias])
        pixels = max(UNFOLDED // len(matrix), width)
        rows, images = min(pixels // width, height), max(pixels // (height * width), 1)
        sizes = ((images, rows, width), x.shape[1:], kernel.shape, stride, len(matrix))

        def work(tasks: Iterator) -> None:
            unfoldings = self._cache.unfoldings
            if sizes not in unfoldings:
                unfoldings[sizes] = Unfolding(*sizes)
            for first, top in tasks:
                part = np.s_[first : first + images, top : top + rows]
                added = None if finish.added is None else finish.added[part]
                own = Finish(None, added, finish.relu)
                unfoldings[sizes].compute(x[part[0]], top, matrix, own, result[part])

        self._share(work, itertools.product(range(0, n, images), range(0, height, rows)))

    def multiply(
        self, x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, relu: bool
    ) -> np.ndarray:
        x = x @ kernel + bias
        return np.maximum(x, 0) if relu else x

    def blocks_to_channels(self, x: np.ndarray) -> np.ndarray:
        n, height, width, channels = x.shape
        result = np.empty((n, height // 2, width // 2, 4, channels), dtype=np.float32)
        for block, (row, column) in enumerate(np.ndindex(2, 2)):
            result[..., block, :] = x[:, row::2, column::2]
        return result.reshape(n, height // 2, width // 2, 4 * channels)

    def max_pool(self, x: np.ndarray) -> np.ndarray:
        n, height, width, channels = x.shape
        result = np.empty((n, height // 2, width // 2, channels), dtype=np.float32)

        def work(tasks: Iterator) -> None:
            for row in tasks:
                line = np.maximum(x[:, 2 * row], x[:, 2 * row + 1])[:, : width // 2 * 2]
                np.maximum(line[:, ::2], line[:, 1::2], out=result[:, row])

        self._share(work, range(height // 2))
        return result

    def upsample(self, x: np.ndarray) -> np.ndarray:
        n, height, width, channels = x.shape
        result = np.empty((n, height, 2, width, 2, channels), dtype=np.float32)

        def work(tasks: Iterator) -> None:
            for row in tasks:
                result[:, row] = x[:, row, None, :, None]

        self._share(work, range(height))
        return result.reshape(n, 2 * height, 2 * width, channels)

    def global_pool(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))], axis=1)

    def softmax(self, x: np.ndarray) -> np.ndarray:
        result = np.empty_like(x)

        def work(tasks: Iterator) -> None:
            for row in tasks:
                powers = np.exp(x[row] - x[row].max(axis=-1, keepdims=True))
                np.divide(powers, powers.sum(axis=-1, keepdims=True), out=result[row])

        self._share(work, itertools.product(*map(range, x.shape[:-2])))
        return result


class Unfolding:
    """Work arrays of a convolution as one product of matrices.

    The pixels under the kernel are unfolded into rows of a matrix, (pixels, size * size * in).
    It is multiplied by the kernel, (size * size * in, out).

    Parameters
    ----------
    shape : (images, rows, cols)
        Size of the result computed at a time: whole images, or whole rows of one image.
    source : (height, width, in)
        Shape of an image.
    kernel : (size, size, in, out)
        Shape of the kernel.
    stride : int
        Stride of the convolution.
    length : int
        Rows of the kernel's matrix, including the bias, if any.
    """

    def __init__(
        self,
        shape: Tuple[int, ...],
        source: Tuple[int, ...],
        kernel: Tuple[int, ...],
        stride: int,
        length: int,
    ) -> None:
        images, rows, cols = shape
        size, _, inputs, outputs = kernel
        lines, columns = ((count - 1) * stride + size for count in (rows, cols))
        self._source = np.empty((images, lines, columns, inputs), dtype=np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(self._source, (size, size), axis=(1, 2))  # type: ignore[call-overload]
        self._windows = windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)
        self._unfolded = np.ones((*shape, length), dtype=np.float32)
        self._under = self._unfolded[..., : size * size * inputs].reshape(self._windows.shape)
        self._zeros = np.zeros((*shape, outputs), dtype=np.float32)
        self._stride = stride
        # TensorFlow's padding "SAME": https://www.tensorflow.org/api_docs/python/tf/nn
        self._before = [
            max((math.ceil(count / stride) - 1) * stride + size - count, 0) // 2
            for count in source[:2]
        ]

    def compute(
        self,
        images: np.ndarray,
        top: int,
        matrix: np.ndarray,
        finish: Finish,
        result: np.ndarray,
    ) -> None:
        """Convolve some images, or some rows of one image.

        Parameters
        ----------
        images : ndarray of float32, (n, height, width, in)
        top : int
            First row of the result.
        matrix : ndarray of float32, (length, out)
            Kernel, including the bias, if any.
        finish : Finish
            Must have no bias.
        result : ndarray of float32, (n, rows, cols, out)
            Output.
        """
        within = tuple(map(slice, result.shape[:2]))
        self._read(images, top * self._stride - self._before[0], -self._before[1])
        np.copyto(self._under, self._windows)
        unfolded = self._unfolded[within].reshape(-1, len(matrix))
        np.matmul(unfolded, matrix, out=result.reshape(len(unfolded), -1))
        if finish.added is not None:
            result += finish.added
        if finish.relu:
            np.maximum(result, self._zeros[within], out=result)

    def _read(self, images: np.ndarray, top: int, left: int) -> None:
        """Copy pixels from a row and column, which may be negative; pixels outside are 0."""
        _, rows, cols, _ = self._source.shape
        inside = images[:, max(top, 0) : top + rows, max(left, 0) : left + cols]
        n, rows, cols, _ = inside.shape
        self._source.fill(0)
        self._source[:n, max(-top, 0) :, max(-left, 0) :][:, :rows, :cols] = inside


class WinogradBand:
    """Work arrays of a convolution with 3x3 pixels, for a band of 4x4 tiles of its result.

    This is F(4x4, 3x3) of Lavin and Gray 2016, Fast algorithms for convolutional neural networks:
    pixels and kernels are coefficients of polynomials, whose values at six points are multiplied.
    It needs a quarter of the multiplications. The points come in pairs that share intermediate
    results: 1 and -1, 2 and -2, 0 and infinity.

    Parameters
    ----------
    rows, cols : int
        Size of the band in tiles.
    inputs, outputs : int
        Numbers of channels.
    """

    def __init__(self, rows: int, cols: int, inputs: int, outputs: int) -> None:
        def array(*shape: int) -> np.ndarray:
            return np.empty(shape, dtype=np.float32)

        self._rows, self._cols = rows, cols
        lines = TILE * rows + 2
        self._pixels = np.zeros((TILE, lines, cols + 1, inputs), dtype=np.float32)
        self._scratch = array(2, POINTS * rows, cols, inputs)
        self._across = array(POINTS, lines, cols, inputs)
        self._points = array(2, POINTS, rows, cols, inputs)
        self._products = array(2, POINTS, rows, cols, outputs)
        self._down = array(TILE, POINTS, rows, cols, outputs)
        self._tiles = array(TILE, TILE, rows, cols, outputs)
        self._zeros = np.zeros((rows, cols, outputs), dtype=np.float32)

    def compute(
        self, image: np.ndarray, top: int, kernel: np.ndarray, finish: Finish, result: np.ndarray
    ) -> None:
        """Convolve a band.

        Parameters
        ----------
        image : ndarray of float32, (height, width, in)
        top : int
            First row of tiles of the band.
        kernel : ndarray of float32, (3, 2, 6, in, out)
            Values at pairs of points down and all points across.
        finish : Finish
        result : ndarray of float32, (height, width, out)
            Output, of which only the band is written.
        """
        self._read(image, TILE * top - 1)
        self._pixels_to_points_across()
        for pair, _ in enumerate(self._pairs_down()):
            self._multiply(kernel[pair])
            if pair == 0 and finish.bias is not None:
                # A constant contributes at the point 1 alone.
                self._products[0, 0] += finish.bias
            _add_pixels(pair, tuple(self._products), self._down)
        for pair in range(3):
            _add_pixels(pair, (self._down[:, 2 * pair], self._down[:, 2 * pair + 1]), self._tiles)
        self._write(TILE * top, finish, result)

    def _read(self, image: np.ndarray, top: int) -> None:
        """Copy pixels by their column in a tile; pixels outside of the image are 0."""
        first, last = max(top, 0), min(top + self._pixels.shape[1], image.shape[0])
        inside = slice(first - top, last - top)
        self._pixels[:, : inside.start] = 0
        self._pixels[:, inside.stop :] = 0
        for column, pixels in enumerate(self._pixels):
            # Tiles overlap: the first one begins one pixel before the image.
            skipped = int(column == 0)
            source = image[first:last, column - 1 + TILE * skipped :: TILE]
            target = pixels[inside, skipped : skipped + source.shape[1]]
            target[...] = source[:, : target.shape[1]]

    def _pixels_to_points_across(self) -> None:
        across = self._across
        pixels = [
            self._pixels[k % TILE, :, k // TILE : k // TILE + self._cols] for k in range(POINTS)
        ]
        pairs = [across[0:2], across[2:4], across[4:6]]
        for _ in _to_points(pixels, pairs, self._scratch[:, : across.shape[1]]):
            pass

    def _pairs_down(self) -> Iterator[np.ndarray]:
        """Compute the values at one pair of points after the other, and yield after each."""
        last = TILE * (self._rows - 1) + 1
        pixels = [self._across[:, k : k + last : TILE] for k in range(POINTS)]
        scratch = self._scratch.reshape(self._points.shape)
        return _to_points(pixels, [self._points] * 3, scratch)

    def _multiply(self, kernel: np.ndarray) -> None:
        points, products = (
            array.reshape(2, POINTS, self._rows * self._cols, -1)
            for array in (self._points, self._products)
        )
        np.matmul(points, kernel, out=products)

    def _write(self, top: int, finish: Finish, result: np.ndarray) -> None:
        rows = slice(top, top + TILE * self._rows)
        if finish.added is not None:
            for tiles, pixels in self._tiles_and_pixels(finish.added[rows]):
                tiles += pixels
        if finish.relu:
            np.maximum(self._tiles, self._zeros, out=self._tiles)
        for tiles, pixels in self._tiles_and_pixels(result[rows]):
            pixels[...] = tiles

    def _tiles_and_pixels(self, band: np.ndarray) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
        """Yield one of the 16 pixels of all tiles, and the same pixels of a band of an image."""
        for column, row in np.ndindex(TILE, TILE):
            pixels = band[row::TILE, column::TILE]
            yield self._tiles[column, row, : pixels.shape[0], : pixels.shape[1]], pixels


def _to_points(
    d: Sequence[np.ndarray], pairs: Sequence[np.ndarray], scratch: np.ndarray
) -> Iterator[np.ndarray]:
    """Evaluate the polynomial of six pixels at the points, pair by pair: matrix B of F(4, 3).

    Parameters
    ----------
    d : sequence of six ndarray
        Pixels.
    pairs : sequence of three ndarray, (2, ...)
        Output for each pair of points. Each is yielded as soon as it is written.
    scratch : ndarray, (2, ...)
        Work array.
    """
    even, odd = scratch
    plus, minus = pairs[0]
    np.multiply(d[2], 4, out=even)
    np.subtract(d[4], even, out=even)
    np.multiply(d[1], 4, out=odd)
    np.subtract(d[3], odd, out=odd)
    np.add(even, odd, out=plus)
    np.subtract(even, odd, out=minus)
    yield pairs[0]
    plus, minus = pairs[1]
    np.subtract(d[4], d[2], out=even)
    np.subtract(d[3], d[1], out=odd)
    odd *= 2
    np.add(even, odd, out=plus)
    np.subtract(even, odd, out=minus)
    yield pairs[1]
    zero, infinity = pairs[2]
    np.subtract(d[2], d[0], out=zero)
    zero *= 4
    np.subtract(even, zero, out=zero)
    np.subtract(d[5], d[3], out=infinity)
    odd *= 2
    infinity -= odd
    yield pairs[2]


def _add_pixels(pair: int, values: Sequence[np.ndarray], y: np.ndarray) -> None:
    """Add the contribution of one pair of points to four pixels: matrix A of F(4, 3).

    Parameters
    ----------
    pair : int
        Index of the pair: first 0, then 1, then 2.
    values : sequence of two ndarray
        Values at the two points.
    y : sequence of four ndarray
        Output.
    """
    first, second = values
    if pair == 0:
        np.add(first, second, out=y[0])
        np.subtract(first, second, out=y[1])
    elif pair == 1:
        # Pixels 2 and 3 are a + 4 b, where 0 and 1 become a + b.
        np.add(first, second, out=y[2])
        np.subtract(first, second, out=y[3])
        y[3] *= 2
        for near, far in ((y[0], y[2]), (y[1], y[3])):
            near += far
            far *= 3
            far += near
    else:
        y[0] += first
        y[3] += second
