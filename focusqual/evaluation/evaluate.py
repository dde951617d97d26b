"""Measure the accuracy of a model on images of known defocus."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple

import numpy as np

from focusqual.evaluation.scores import prediction_scores
from focusqual.inference.measurement import FocusMeasurement, certainty
from focusqual.inference.model import FocusModel
from focusqual.inference.options import FocusOptions
from focusqual.inference.prediction import measure_focus
from focusqual.levels import LEVEL_DEPTH, LEVELS
from focusqual.simulation.camera import photograph
from focusqual.simulation.defocus import defocus
from focusqual.simulation.sources import clean
from micrograph_networks.errors import UserError, add_path_to_errors
from micrograph_networks.images.image_files import is_listed, read_gray, read_image

BLANK, FOREGROUND, BETWEEN = 0, 1, 2
"""Contents of a patch: nothing, cells, or something between."""


@dataclass(frozen=True)
class MeasuredImage:
    """A measurement and the truth.

    Attributes
    ----------
    name : str
        Name of the image file, with its folder if the images are in several.
    level : int
        True defocus level.
    measurement : FocusMeasurement
    content : ndarray of int, (rows, cols)
        BLANK, FOREGROUND or BETWEEN for every patch.
    """

    name: str
    level: int
    measurement: FocusMeasurement
    content: np.ndarray


def measure_synthetic(
    path: Path, model: FocusModel, options: FocusOptions, seed: int
) -> Iterator[MeasuredImage]:
    """Defocus an image to every level, photograph it with a random camera, and measure it.

    Yields one MeasuredImage for every level. The camera depends on the seed and the file's name.
    """
    with add_path_to_errors(path):
        light = clean(read_gray(path))
    rng = np.random.default_rng([seed, *path.name.encode()])
    for level in range(LEVELS):
        blurred = defocus(light, LEVEL_DEPTH * level)
        measurement = measure_focus(photograph(rng, blurred), model, options=options)
        content = patch_content(light, blurred, measurement.boxes)
        yield MeasuredImage(path.name, level, measurement, content)


def patch_content(light: np.ndarray, blurred: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Classify patches by the scene without noise.

    Blank: nothing in the defocused patch is brighter than 2% of bright cells. Foreground: at
    least 5% of the patch in focus is brighter than 25% of bright cells.

    Parameters
    ----------
    light, blurred : ndarray, (height, width)
        The scene in focus and defocused; bright cells are 1.
    boxes : ndarray of int, (rows, cols, 4)
        Patches: y, x, height and width.

    Returns
    -------
    ndarray of int, (rows, cols)
        BLANK, FOREGROUND or BETWEEN.
    """
    content = np.full(boxes.shape[:2], BETWEEN)
    for position in np.ndindex(content.shape):
        y, x, height, width = boxes[position]
        window = np.s_[y : y + height, x : x + width]
        if blurred[window].max() < 0.02:
            content[position] = BLANK
        elif np.mean(light[window] > 0.25) >= 0.05:
            content[position] = FOREGROUND
    return content


def z_planes(folder: Path, focal_plane: int) -> List[Tuple[Path, int]]:
    """List the images of z-planes named as in BBBC006, with their levels.

    Images are BBBC006_v1_images_z_NN/mcf-z-stacks-...; the planes NN are 2 micrometers apart, one
    level each. The focal plane is in focus; it is 16 in BBBC006.

    Raises
    ------
    UserError
        The folder does not exist or contains no such images.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: check the path.")
    found = []
    for plane in sorted(Path(folder).glob("BBBC006_v1_images_z_[0-9][0-9]")):
        depth = abs(int(plane.name.rpartition("_")[2]) - focal_plane)
        images = sorted(filter(is_listed, plane.iterdir()))
        found += [(path, min(depth, LEVELS - 1)) for path in images]
    if not found:
        raise UserError(
            f"{folder} contains no images in folders named BBBC006_v1_images_z_00 and so on: "
            "give the folder that contains these."
        )
    return found


def measure_plane(
    path: Path, level: int, model: FocusModel, options: FocusOptions
) -> MeasuredImage:
    """Measure a real image of known defocus; the content of its patches is not known."""
    with add_path_to_errors(path):
        measurement = measure_focus(read_image(path), model, options=options)
    content = np.full(measurement.counted.shape, BETWEEN)
    return MeasuredImage(f"{path.parent.name}/{path.name}", level, measurement, content)


def foreground(measured: Sequence[MeasuredImage]) -> Tuple[np.ndarray, np.ndarray]:
    """Return probabilities, float32 (n, 11), and true levels, int (n,), of foreground patches."""
    found = [image.measurement.probabilities[image.content == FOREGROUND] for image in measured]
    levels = [image.level for image in measured]
    return np.concatenate(found), np.repeat(levels, [len(patches) for patches in found])


def accuracy(measured: Sequence[MeasuredImage], options: FocusOptions) -> Dict[str, float]:
    """Compute the accuracy on images, and on patches if their content is known.

    Parameters
    ----------
    measured : list of MeasuredImage
    options : FocusOptions
        Its thresholds separate certain from uncertain patches, and images in focus from others.

    Returns
    -------
    dict of str to float
        Scores by name, see :func:`focusqual.evaluation.scores.prediction_scores`.
    """
    levels = np.array([image.level for image in measured])
    scores = np.array([image.measurement.summary["score"] for image in measured])
    error = np.abs(scores - levels)
    blurred, found = levels >= options.out_of_focus_from, scores >= options.out_of_focus_from
    result = {
        "images": len({image.name for image in measured}),
        "measured_images": len(measured),
        "image_exact": np.mean(error == 0),
        "image_within_one": np.mean(error <= 1),
        "image_mean_absolute_error": np.mean(error),
        "image_out_of_focus_f_score": 2
        * np.sum(blurred & found)
        / max(blurred.sum() + found.sum(), 1),
    }
    probabilities, patch_levels = foreground(measured)
    if len(patch_levels):
        certainties = certainty(probabilities)
        certain = certainties >= options.uncertain_below
        result["foreground_patches"] = len(patch_levels)
        for name, value in prediction_scores(probabilities, patch_levels).items():
            result[f"foreground_{name}"] = value
        result["foreground_median_certainty"] = np.median(certainties)
        result["certain_foreground_share"] = np.mean(certain)
        if certain.any():
            chosen = prediction_scores(probabilities[certain], patch_levels[certain])
            result["certain_foreground_within_one"] = chosen["within_one"]
    blank = np.concatenate(
        [image.measurement.certainty[image.content == BLANK] for image in measured]
    )
    if len(blank):
        result["blank_patches"] = len(blank)
        result["blank_median_certainty"] = np.median(blank)
    return {name: float(value) for name, value in result.items()}
