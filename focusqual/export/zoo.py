"""The focus network for bioimage.io: images in, probabilities of the levels of each patch out."""

from pathlib import Path
from typing import Any, Union

import numpy as np
import tensorflow as tf

from focusqual.inference.model import load_model
from focusqual.inference.network import NETWORKS
from focusqual.inference.patches import PATCH_SIZE
from focusqual.inference.picture import annotate
from focusqual.inference.prediction import measure_focus
from focusqual.levels import LEVELS
from focusqual.simulation.degradation import degrade
from focusqual.simulation.scenes import nuclei
from micrograph_networks.export.bioimageio import ZooModel, inference_model
from micrograph_networks.models.loading import read_network, shipped_model

DOCUMENTATION = """\
# {title}

Measures the focus of microscope images patch by patch, after Yang et al. 2018.

**Input**: a gray image of any bit depth and brightness, as float32. Its height and width are
multiples of {size} pixels: crop it, or pad it by reflection. **Output**: for every patch of
{size}x{size} pixels the probabilities of {levels} defocus levels, from 0 (sharp) to {last}
(strongest blur). Blank patches have a flat distribution. The certainty of a patch is
1 - entropy / ln {levels} of its distribution.

# Validation

The test image is generated and shows a sharp part, blurred parts and a blank patch. Its
probabilities are those that this project computes patch by patch. The model card of a shipped model
follows, with its accuracy on real images.

"""


def zoo_model(model: Union[str, Path, None]) -> ZooModel:
    """Describe a focus model for bioimage.io.

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
    name = Path(loaded.name).stem
    title = f"Focus of micrographs ({name})"
    image = _test_image()
    measurement = measure_focus(image, loaded)
    return ZooModel(
        name=name,
        title=title,
        description="Probabilities of 11 defocus levels for every patch of a microscope image.",
        documentation=DOCUMENTATION.format(
            title=title, size=PATCH_SIZE, levels=LEVELS, last=LEVELS - 1
        ),
        shipped=shipped_model(model, NETWORKS),
        tags=("focus", "quality-control", "fluorescence-light-microscopy", "2d", "cellprofiler"),
        citations=(
            (
                "Yang et al. 2018, Assessing microscope image focus quality with deep learning",
                "10.1186/s12859-018-2087-4",
            ),
        ),
        network=inference_model(network, weights.layers),
        function=patch_probabilities,
        channels=("gray",),
        classes=tuple(f"level {level}" for level in range(LEVELS)),
        step=PATCH_SIZE,
        scale=PATCH_SIZE,
        test_image=image[..., None],
        test_probabilities=measurement.probabilities,
        cover=annotate(image, measurement),
    )


def patch_probabilities(network: Any, images: Any) -> Any:
    """Compute the probabilities of the levels of all patches.

    Patches are normalized as by :func:`focusqual.inference.normalization.normalize`.

    Parameters
    ----------
    network : keras.Model
        From normalized patches (n, 84, 84, 1) to probabilities (n, 11).
    images : tf.Tensor of float32, (n, height, width, 1)
        Heights and widths are multiples of 84.

    Returns
    -------
    tf.Tensor of float32, (n, height / 84, width / 84, 11)
        The same probability for all levels where a patch is constant.
    """
    patches = tf.nn.space_to_depth(images, PATCH_SIZE)  # (n, rows, columns, pixels)
    mean = tf.reduce_mean(patches, axis=-1, keepdims=True)
    centered = patches - mean
    # The float32 mean has a rounding error, which would hide that a patch is constant.
    centered -= tf.reduce_mean(centered, axis=-1, keepdims=True)
    deviation = tf.sqrt(tf.reduce_mean(centered * centered, axis=-1, keepdims=True))
    constant = deviation <= 1e-6 * tf.abs(mean)
    normalized = tf.asinh(centered / tf.where(constant, 1.0, deviation))
    probabilities = network(tf.reshape(normalized, (-1, PATCH_SIZE, PATCH_SIZE, 1)))
    grid = tf.concat([tf.shape(patches)[:3], [LEVELS]], axis=0)
    return tf.where(constant, 1 / LEVELS, tf.reshape(probabilities, grid))


def _test_image() -> np.ndarray:
    """Draw a sharp part, two blurred parts and, in a corner, a blank patch."""
    scene = nuclei(np.random.default_rng(0), 3 * PATCH_SIZE, 1.0).astype(np.float32)
    parts = [degrade(scene, level) for level in (0, 3, 9)]
    columns = np.split(np.arange(3 * PATCH_SIZE), 3)
    image = np.hstack([part[:, column] for part, column in zip(parts, columns)])
    image[-PATCH_SIZE:, -PATCH_SIZE:] = image.mean()
    return image
