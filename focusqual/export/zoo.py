"""The focus network for bioimage.io: images in, probabilities of the levels of each patch out."""

from pathlib import Path
from typing import Any, Union

import numpy as np
import tensorflow as tf

from focusqual.inference.model import load_model
from focusqual.inference.patches import PATCH_SIZE
from focusqual.inference.picture import annotate
from focusqual.inference.prediction import measure_focus
from focusqual.levels import LEVELS
from focusqual.simulation.degradation import degrade
from focusqual.simulation.scenes import nuclei
from micrograph_networks.export.bioimageio import ZooModel

DOCUMENTATION = f"""\
Probabilities of {LEVELS} defocus levels for every patch of a microscope image.

After Yang et al. 2018. **Input**: a gray image of any bit depth and brightness, as float32. Its
height and width are multiples of {PATCH_SIZE} pixels: crop it, or pad it by reflection.
**Output**: for every patch of {PATCH_SIZE}x{PATCH_SIZE} pixels the probabilities of {LEVELS}
defocus levels, from 0 (sharp) to {LEVELS - 1} (strongest blur). Blank patches have a flat
distribution. The certainty of a patch is 1 - entropy / ln {LEVELS} of its distribution.

# Validation

The test image is generated: sharp on the left, blurred in the middle and on the right. Its
probabilities are those that this project computes patch by patch. The model card of a shipped model
follows, with its accuracy on real images.
"""


def zoo_model(model: Union[str, Path, None]) -> ZooModel:
    """Describe a focus model for bioimage.io.

    Parameters and errors as for :func:`focusqual.load_model`.
    """
    scene = nuclei(np.random.default_rng(0), 3 * PATCH_SIZE, 1.0).astype(np.float32)
    blurred = [degrade(scene, level) for level in (0, 3, 9)]
    columns = np.split(np.arange(3 * PATCH_SIZE), 3)
    image = np.hstack([part[:, column] for part, column in zip(blurred, columns)])
    measurement = measure_focus(image, load_model(model))
    return ZooModel(
        title="Focus of micrographs",
        documentation=DOCUMENTATION,
        tags=("focus", "quality-control", "fluorescence-light-microscopy", "2d", "cellprofiler"),
        citations=(
            (
                "Yang et al. 2018, Assessing microscope image focus quality with deep learning",
                "10.1186/s12859-018-2087-4",
            ),
        ),
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
