"""Measure a model on images that training never saw."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np

from focusqual.evaluation.scores import f_score, prediction_scores
from focusqual.inference.measurement import FocusMeasurement, certainty
from focusqual.inference.model import FocusModel
from focusqual.inference.options import FocusOptions
from focusqual.inference.prediction import measure_focus
from focusqual.levels import LEVEL_DEPTH, LEVELS
from focusqual.simulation.camera import photograph
from focusqual.simulation.defocus import defocus
from focusqual.simulation.sources import clean
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import IMAGE_SUFFIXES, read_gray, read_image

BLANK, FOREGROUND, BETWEEN = 0, 1, 2
"""What a patch shows: nothing, cells, or something between."""


@dataclass(frozen=True)
class MeasuredImage:
    """A measurement beside the truth.

    Attributes
    ----------
    name : str
    level : int
        True level of defocus.
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
    """Defocus an image to every level, photograph it with a random camera, and rate it.

    Parameters
    ----------
    path : Path
        Of an in-focus image.
    model : FocusModel
    options : FocusOptions
    seed : int

    Yields
    ------
    MeasuredImage
        One for every level.
    """
    light = clean(read_gray(path))
    rng = np.random.default_rng([seed, *path.name.encode()])
    for level in range(LEVELS):
        blurred = defocus(light, LEVEL_DEPTH * level)
        measurement = measure_focus(photograph(rng, blurred), model, options=options)
        yield MeasuredImage(
            path.name, level, measurement, patch_content(light, blurred, measurement.boxes)
        )


def patch_content(light: np.ndarray, blurred: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """What patches show, told from the scene without noise.

    Blank: nothing in the defocused patch is brighter than 2% of bright cells. Foreground: at
    least 5% of the patch in focus is brighter than 25% of them.

    Parameters
    ----------
    light, blurred : ndarray, (height, width)
        The scene in focus and defocused, bright cells at 1.
    boxes : ndarray of int, (rows, cols, 4)

    Returns
    -------
    ndarray of int, (rows, cols)
    """
    content = np.full(boxes.shape[:2], BETWEEN)
    for place in np.ndindex(content.shape):
        y, x, height, width = boxes[place]
        window = np.s_[y : y + height, x : x + width]
        if blurred[window].max() < 0.02:
            content[place] = BLANK
        elif np.mean(light[window] > 0.25) >= 0.05:
            content[place] = FOREGROUND
    return content


def z_planes(folder: Path, focal_plane: int) -> List[Tuple[Path, int]]:
    """Images of a tree of z-planes in BBBC006's naming, with their levels.

    BBBC006_v1_images_z_NN/mcf-z-stacks-...; planes are 2 micrometers apart, one level each.

    Parameters
    ----------
    folder : Path
    focal_plane : int
        The plane in focus, 16 in BBBC006.

    Returns
    -------
    list of (Path, int)

    Raises
    ------
    UserError
        There is no such tree.
    """
    found = []
    for plane in sorted(Path(folder).glob("BBBC006_v1_images_z_[0-9][0-9]")):
        depth = abs(int(plane.name.rpartition("_")[2]) - focal_plane)
        images = sorted(p for p in plane.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        found += [(path, min(depth, LEVELS - 1)) for path in images]
    if not found:
        raise UserError(
            f"{folder} holds no images in folders named BBBC006_v1_images_z_00 and so on: "
            "give the folder that these lie in."
        )
    return found


def measure_plane(
    path: Path, level: int, model: FocusModel, options: FocusOptions
) -> MeasuredImage:
    """Rate a real image of known defocus; what its patches show is not known.

    Returns
    -------
    MeasuredImage
    """
    measurement = measure_focus(read_image(path), model, options=options)
    return MeasuredImage(path.name, level, measurement, np.full(measurement.counted.shape, BETWEEN))


def foreground(measured: Sequence[MeasuredImage]) -> Tuple[np.ndarray, np.ndarray]:
    """Distributions and true levels of all foreground patches.

    Parameters
    ----------
    measured : list of MeasuredImage

    Returns
    -------
    probabilities : ndarray of float32, (n, 11)
    levels : ndarray of int, (n,)
    """
    found = [r.measurement.probabilities[r.content == FOREGROUND] for r in measured]
    return np.concatenate(found), np.repeat([r.level for r in measured], [len(f) for f in found])


def accuracy(measured: Sequence[MeasuredImage], options: FocusOptions) -> Dict[str, float]:
    """Accuracy of images, and of patches where their content is known.

    Parameters
    ----------
    measured : list of MeasuredImage
    options : FocusOptions
        Its limits divide certain from uncertain patches and images in focus from others.

    Returns
    -------
    dict of str to float
    """
    levels = np.array([r.level for r in measured])
    scores = np.array([r.measurement.summary["score"] for r in measured])
    error = np.abs(scores - levels)
    limit = options.out_of_focus_from
    result = {
        "images": len(measured),
        "image_exact": np.mean(error == 0),
        "image_within_one": np.mean(error <= 1),
        "image_mean_absolute_error": np.mean(error),
        "image_out_of_focus_f_score": f_score(levels >= limit, scores >= limit),
    }
    probabilities, patch_levels = foreground(measured)
    if len(patch_levels):
        certain = certainty(probabilities) >= options.uncertain_below
        result["foreground_patches"] = len(patch_levels)
        result.update(_prefixed("foreground", prediction_scores(probabilities, patch_levels)))
        result["foreground_median_certainty"] = np.median(certainty(probabilities))
        result["certain_foreground_share"] = np.mean(certain)
        if certain.any():
            chosen = prediction_scores(probabilities[certain], patch_levels[certain])
            result["certain_foreground_within_one"] = chosen["within_one"]
    blank = np.concatenate([r.measurement.certainty[r.content == BLANK] for r in measured])
    if len(blank):
        result["blank_patches"] = len(blank)
        result["blank_median_certainty"] = np.median(blank)
    return {name: float(value) for name, value in result.items()}


def _prefixed(prefix: str, values: Mapping[str, float]) -> Dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in values.items()}
