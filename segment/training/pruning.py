"""A narrower network out of a trained one.

He, Zhang and Sun 2017, Channel pruning for accelerating very deep neural networks: of every layer
some channels are chosen, and the kernels that make and read them are solved for by least squares.
"""

from dataclasses import replace
from typing import Callable, Dict, List, Tuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from micrograph_networks.errors import UserError
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Convolution, Network
from segment.training.layerwise import compute_layer, readers_of, walk

GRID = 12
"""Places along each side of an image where the two networks are compared."""
DRAWN = 16
"""Places of which the brightest is taken in every second cell of the grid: background is plenty."""
RIDGE = 1e-3
"""Of the least squares, beside the variance of each input: holds on to the old kernels."""
ROUNDS = 6
"""Of the least squares of a layer with ReLU, after each of which negative targets move."""
IMAGES = 8
"""That go through the wide network at a time."""

Values = Dict[str, np.ndarray]
"""What convolutions give before the ReLU at all places, (n, channels), by name."""


def prune(
    arrays: Arrays, network: Network, narrow: Network, draw: Callable[[], np.ndarray]
) -> Arrays:
    """Choose channels of every layer, and solve for the kernels that make and read them.

    Parameters
    ----------
    arrays : Arrays
        Of a network without batch normalizations, as weights files hold them.
    network, narrow : Network
        The same layers, with no more channels in the narrow one; what follows them is left out.
        The convolutions are of stride 1.
    draw : callable
        Gives some dozens of images that the networks are for, float32 (n, height, width, channels).
        Called where there is anything to solve for.

    Returns
    -------
    Arrays
        Of the narrow network's first layers; the same ones where it has as many channels.

    Raises
    ------
    UserError
        It has more channels.
    """
    counts = _counts(network, narrow)
    if all(counts[layer.name] == layer.channels for layer in network.find(Convolution)):
        return arrays
    images = draw()
    places = _places(images)
    parts = [
        _wide_values(arrays, network, images[start:][:IMAGES], places[start:][:IMAGES])
        for start in range(0, len(images), IMAGES)
    ]
    values = {name: np.concatenate([part[name] for part in parts]) for name in counts}
    kept = _choose(arrays, network, counts, values)
    wanted = {name: array[:, kept[name]] for name, array in values.items()}
    return _solve(_sliced(arrays, network, kept), network, wanted, (images, places))


def _counts(network: Network, narrow: Network) -> Dict[str, int]:
    """Channels that each convolution shall have."""
    counts = {}
    for layer, target in zip(network.layers, narrow.layers):
        if isinstance(layer, Convolution):
            assert isinstance(target, Convolution)
            counts[layer.name] = target.channels
            if target.channels > layer.channels:
                raise UserError(
                    f"The model to start from has {layer.channels} channels in {layer.name}, but "
                    f"{target.channels} are wanted: choose a wider model, or none."
                )
    return counts


def _places(images: np.ndarray) -> np.ndarray:
    """One place in each cell of a grid, at random or what is brightest: (n, cells, 2), 0 to 1."""
    rng = np.random.default_rng(0)
    cells = np.moveaxis(np.mgrid[:GRID, :GRID], 0, -1).reshape(-1, 1, 2)
    drawn = (cells + rng.random((len(images), len(cells), DRAWN, 2))) / GRID
    rows, cols = _pixels(drawn, images)
    best = images.sum(axis=3)[np.arange(len(images))[:, None, None], rows, cols].argmax(axis=2)
    best[:, ::2] = 0
    return np.take_along_axis(drawn, best[:, :, None, None], axis=2)[:, :, 0]


def _pixels(places: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Rows and columns, of (n, height, width, channels), at places (..., 2)."""
    return np.moveaxis((places * x.shape[1:3]).astype(int), -1, 0)


def _wide_values(
    arrays: Arrays, network: Network, images: np.ndarray, places: np.ndarray
) -> Values:
    values: Values = {}

    def convolve(layer: Convolution, x: np.ndarray) -> np.ndarray:
        found = compute_layer(replace(layer, relu=False), arrays, x)
        values[layer.name] = _under(1, found, places)
        return np.maximum(found, 0) if layer.relu else found

    walk(network, images, convolve)
    return values


def _under(size: int, x: np.ndarray, places: np.ndarray) -> np.ndarray:
    """What a kernel of a size sees of images at some places: (n, size * size * channels)."""
    image, (bottom, right) = np.arange(len(x))[:, None], np.array(x.shape[1:3]) - 1
    seen: List[np.ndarray] = []
    for shift in np.ndindex(size, size):
        rows, cols = (at + by - size // 2 for at, by in zip(_pixels(places, x), shift))
        outside = (rows < 0) | (rows > bottom) | (cols < 0) | (cols > right)
        pixels = x[image, rows.clip(0, bottom), cols.clip(0, right)]
        pixels[outside] = 0
        seen.append(pixels)
    return np.concatenate(seen, axis=2).reshape(-1, size * size * x.shape[3])


def _choose(
    arrays: Arrays, network: Network, counts: Dict[str, int], values: Values
) -> Dict[str, np.ndarray]:
    """Of each convolution the channels, ascending, that tell its readers most.

    The last layers are the first to choose, so that what nobody reads any more counts for nothing.
    """
    readers = readers_of(network)
    kept: Dict[str, np.ndarray] = {}
    for layer in reversed(network.find(Convolution)):
        reading = np.zeros((layer.channels, layer.channels))
        for reader, start in readers[layer.name]:
            kernel = arrays[reader]["kernel"][:, :, start : start + layer.channels, kept[reader]]
            rows = np.moveaxis(kernel, 2, 0).reshape(layer.channels, -1).astype(float)
            reading += rows @ rows.T / values[reader][:, kept[reader]].var(axis=0).sum()
        if not readers[layer.name]:
            reading = np.eye(layer.channels)
        seen = np.maximum(values[layer.name], 0) if layer.relu else values[layer.name]
        covariance = np.atleast_2d(np.cov(seen, rowvar=False))
        kept[layer.name] = _telling(covariance, reading, counts[layer.name])
    return kept


def _telling(covariance: np.ndarray, reading: np.ndarray, count: int) -> np.ndarray:
    """Channels from which what is read of all of them can be told best, one after the other.

    Parameters
    ----------
    covariance : ndarray, (channels, channels)
    reading : ndarray, (channels, channels)
        Product of the matrix that reads them with its transpose.
    count : int

    Returns
    -------
    ndarray of int, (count,)
        Ascending.
    """
    if count == len(covariance):
        return np.arange(count)
    left, chosen = covariance.copy(), np.zeros(len(covariance), dtype=bool)
    told = np.einsum("ij,ij->j", left, reading @ left)
    least = 1e-9 * covariance.trace() + np.finfo(float).tiny
    for _ in range(count):
        gain = told / np.maximum(left.diagonal(), least)
        best = np.argmax(np.where(chosen, -np.inf, gain))
        chosen[best] = True
        column = left[:, best] / np.sqrt(max(left[best, best], least))
        read = reading @ column
        told += column * (column * (column @ read) - 2 * (left @ read))
        left -= np.outer(column, column)
    return np.flatnonzero(chosen)


def _sliced(arrays: Arrays, network: Network, kept: Dict[str, np.ndarray]) -> Arrays:
    """The arrays of the kept channels."""
    read: Dict[str, List[np.ndarray]] = {name: [] for name in kept}
    sliced: Arrays = {}
    for name, readers in readers_of(network).items():
        for reader, start in readers:
            read[reader].append(start + kept[name])
    for name, channels in kept.items():
        kernel, bias = arrays[name]["kernel"], arrays[name]["bias"]
        inputs = np.concatenate(read[name]) if read[name] else np.arange(kernel.shape[2])
        sliced[name] = {"kernel": kernel[:, :, inputs][..., channels], "bias": bias[channels]}
    return sliced


def _solve(
    arrays: Arrays,
    network: Network,
    wanted: Values,
    seen: Tuple[np.ndarray, np.ndarray],
) -> Arrays:
    """Solve for the arrays of one layer after the other.

    What a layer reads is what the layers before it, already solved, give, so that their errors
    are made up for (Zhang et al. 2016, Accelerating very deep convolutional networks, section 3.4).
    """
    images, places = seen
    result: Arrays = {}

    def convolve(layer: Convolution, x: np.ndarray) -> np.ndarray:
        kernel, bias = arrays[layer.name]["kernel"], arrays[layer.name]["bias"]
        start = np.concatenate([kernel.reshape(-1, kernel.shape[3]), bias[None]])
        found = least_squares(
            _under(layer.size, x, places), start, wanted[layer.name], ROUNDS if layer.relu else 1
        )
        result[layer.name] = {"kernel": found[:-1].reshape(kernel.shape), "bias": found[-1]}
        return compute_layer(replace(layer, channels=len(bias)), result, x)

    walk(network, images, convolve)
    return result


def least_squares(
    rows: np.ndarray, start: np.ndarray, wanted: np.ndarray, rounds: int
) -> np.ndarray:
    """The matrix that comes nearest to what is wanted of the rows, and not far from a given one.

    Where a negative value is wanted before a ReLU, any negative one will do: each round but the
    first wants there what the one before gave, or 0.

    Parameters
    ----------
    rows : ndarray of float32, (n, inputs)
    start : ndarray of float32, (inputs + 1, outputs)
        The last row is added.
    wanted : ndarray of float32, (n, outputs)
    rounds : int

    Returns
    -------
    ndarray of float32, (inputs + 1, outputs)
    """
    mean = rows.mean(axis=0)
    rows = rows - mean
    gram = (rows.T @ rows).astype(float)
    variances = gram.diagonal()
    gram[np.diag_indices_from(gram)] += RIDGE * np.maximum(variances, 1e-4 * variances.mean())
    factor = cho_factor(gram, overwrite_a=True, check_finite=False)
    given = rows @ start[:-1] + (mean @ start[:-1] + start[-1])
    values = wanted
    for _ in range(rounds):
        error = np.where(wanted > 0, wanted, np.minimum(values, 0)) - given
        change = cho_solve(factor, (rows.T @ error).astype(float)).astype(np.float32)
        shift = error.mean(axis=0)
        values = given + rows @ change + shift
    return start + np.concatenate([change, (shift - mean @ change)[None]])
