"""The focus network for model zoos: images in, the probabilities of every patch out."""

import functools
from pathlib import Path
from typing import Any, Tuple, Union

import numpy as np

from focusqual.inference.model import load_model
from focusqual.inference.network import NETWORKS
from focusqual.inference.patches import PATCH_SIZE
from focusqual.inference.picture import annotate
from focusqual.inference.prediction import measure_focus
from focusqual.levels import LEVELS
from focusqual.simulation.degradation import degrade
from focusqual.simulation.scenes import nuclei
from micrograph_networks.export.bioimageio import ZooModel
from micrograph_networks.export.graphs import GraphOperations
from micrograph_networks.models.loading import read_network, shipped_model
from micrograph_networks.networks.computing import Arrays, compute, prepare
from micrograph_networks.networks.layers import Network

DOCUMENTATION = """\
# {name}

Rates the focus of microscope images patch by patch, after Yang et al. 2018.

**Input**: a gray image of any bit depth and brightness, as float32. Its height and width are
multiples of {size} pixels: cut it, or pad it by reflection. **Output**: for every patch of
{size}x{size} pixels the probabilities of {levels} levels of defocus, from 0, in focus, to {last};
a level is about 3 pixels of blur diameter. Blank patches come out flat. The certainty of a patch
is 1 - entropy / ln {levels} of its distribution.

# Validation

The test image is generated, in and out of focus, with a blank patch; its probabilities are those
that the project computes patch by patch. Accuracy on real images is below, if the model ships
with the project.

"""


def zoo_model(model: Union[str, Path, None]) -> ZooModel:
    """A focus model as zoos describe it.

    Parameters
    ----------
    model : str or Path, optional
        As for :func:`focusqual.load_model`.

    Returns
    -------
    ZooModel

    Raises
    ------
    UserError
        As for :func:`focusqual.load_model`.
    """
    weights, network = read_network(model, NETWORKS)
    loaded = load_model(model)
    image = _test_image()
    measurement = measure_focus(image, loaded)
    name = f"Focus of micrographs ({Path(loaded.name).stem})"
    about = DOCUMENTATION.format(name=name, size=PATCH_SIZE, levels=LEVELS, last=LEVELS - 1)
    return ZooModel(
        file_name=Path(loaded.name).stem,
        name=name,
        description="Probabilities of 11 levels of defocus for every patch of a microscope image.",
        documentation=about,
        shipped=shipped_model(model, NETWORKS),
        tags=("focus", "quality-control", "fluorescence-light-microscopy", "2d", "cellprofiler"),
        cited=(
            (
                "Yang et al. 2018, Assessing microscope image focus quality with deep learning",
                "10.1186/s12859-018-2087-4",
            ),
        ),
        graph=functools.partial(whole_image, network, weights.layers),
        channels=("gray",),
        classes=tuple(f"level {level}" for level in range(LEVELS)),
        step=PATCH_SIZE,
        pixels=PATCH_SIZE,
        test_image=image[..., None],
        test_probabilities=measurement.probabilities,
        cover=annotate(image, measurement),
    )


def whole_image(network: Network, arrays: Arrays, operations: GraphOperations, images: Any) -> Any:
    """The graph from images to the probabilities of their patches.

    Parameters
    ----------
    network : Network
    arrays : Arrays
    operations : GraphOperations
    images : object
        (n, height, width, 1), multiples of the patch.

    Returns
    -------
    object
        (n, rows, cols, levels), the distributions that :func:`focusqual.measure_focus` gives.
    """
    patches, constant = normalize(operations, operations.cut(images, PATCH_SIZE))
    steps = prepare(network, arrays, operations)
    found = compute(steps, operations, operations.begin(patches))
    found = operations.choose(operations.of_image(constant), 1 / LEVELS, found)
    return operations.arrange(found, images, PATCH_SIZE)


def normalize(operations: GraphOperations, patches: Any) -> Tuple[Any, Any]:
    """As :func:`focusqual.inference.normalization.normalize`, in a graph.

    Returns
    -------
    patches : object
        (n, size, size, 1)
    constant : object
        Whether each is constant, (n, 1, 1, 1).
    """
    mean = operations.mean(patches)
    centered = patches - mean
    # A sum in float32 is not exact: what is left of the mean would hide that a patch is constant.
    centered = centered - operations.mean(centered)
    deviation = operations.square_root(operations.mean(centered * centered))
    constant = deviation <= operations.magnitude(mean) * 1e-6
    scaled = centered / operations.choose(constant, 1.0, deviation)
    return operations.arcsinh(scaled), constant


def _test_image() -> np.ndarray:
    """Patches in focus, at two depths of defocus, and, in a corner, a blank one."""
    scene = nuclei(np.random.default_rng(0), 3 * PATCH_SIZE, 1.0).astype(np.float32)
    blurred = [degrade(scene, level) for level in (0, 3, 9)]
    columns = np.split(np.arange(3 * PATCH_SIZE), 3)
    image = np.hstack([one[:, column] for one, column in zip(blurred, columns)])
    image[-PATCH_SIZE:, -PATCH_SIZE:] = image.mean()
    return image
