"""Evidence for spirochaetes: the probability that a person would call a filament, or an image, so.

Features of each filament go into a logistic regression that was fitted on images with masks which
the network had not seen: see :mod:`segment.training.evidence`.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np
from scipy import ndimage
from scipy.special import expit, logit

from micrograph_networks.errors import UserError
from segment.classes import CLASSES, SPIROCHAETE
from segment.inference.filaments import Filaments, label_filaments
from segment.inference.label_images import keep
from segment.inference.normalization import Exposure, to_rgb
from segment.inference.options import SegmentationOptions
from segment.inference.skeletons import skeleton

FEATURES = (
    *("mean_probability", "lowest_tenth", "length", "width", "contrast", "halo", "tortuosity"),
    *("border_distance", "cell_distance"),
)
"""Names of the features of a filament, in the order of :func:`filament_features`."""
JUDGED = CLASSES[SPIROCHAETE]
"""Name of the class whose filaments are judged."""
CANDIDATE = 0.5
"""Minimum mean probability of a filament that is judged."""
INNER, OUTER = 2, 8
"""Distances from a filament, in pixels at the working scale, between which its surroundings are."""
FARTHEST = 32
"""Largest distance to border or cells, in pixels at the working scale, that makes a difference."""
SURE = 0.01
"""Probabilities closer than this to 0 or 1 count as this close, because their logits diverge."""
ATTRIBUTE = "evidence"
"""Attribute of a weights file that holds an :class:`Evidence`."""


class Surroundings(NamedTuple):
    """The pixels of the image that filaments are in.

    Attributes
    ----------
    image : ndarray, (height, width) or (height, width, channels)
        Image of any exposure and bit depth.
    exposure : Exposure
        Exposure of the image.
    probability : ndarray of float32, (height, width)
        Probability of the class of the filaments.
    cells, valid : ndarray of bool, (height, width)
        True at pixels of cells, and where objects may be.
    scale : float
        Factor from pixels of the image to pixels at the working scale.
    """

    image: np.ndarray
    exposure: Exposure
    probability: np.ndarray
    cells: np.ndarray
    valid: np.ndarray
    scale: float


@dataclass(frozen=True)
class Evidence:
    """Logistic regressions for filaments and for images.

    Attributes
    ----------
    means, deviations : tuple of float
        Means and standard deviations of FEATURES in the fit.
    coefficients : tuple of float
        Intercept, and the coefficient of each feature minus its mean divided by its deviation.
    presence : tuple of float
        Intercept and coefficient of the largest logit of a filament, which give the logit of the
        probability that the image shows a spirochaete.
    threshold : float
        Minimum probability of a filament that counts as a spirochaete, 0 to 1.
    """

    means: Tuple[float, ...]
    deviations: Tuple[float, ...]
    coefficients: Tuple[float, ...]
    presence: Tuple[float, ...]
    threshold: float

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the probability that each filament is a spirochaete, float (filaments,).

        Parameters
        ----------
        features : ndarray of float, (filaments, features)
            Result of :func:`filament_features`.
        """
        fitted = (self.means, self.deviations, self.coefficients)
        return logistic(features, *map(np.array, fitted))

    def presence_probability(self, probabilities: np.ndarray) -> float:
        """Return the probability that an image shows a spirochaete.

        Parameters
        ----------
        probabilities : ndarray of float, (filaments,)
            Probabilities of all of its filaments, also of those below the threshold.
        """
        intercept, coefficient = self.presence
        return float(expit(intercept + coefficient * largest_logit(probabilities)))


class Judgment(NamedTuple):
    """Filaments that were judged.

    Attributes
    ----------
    filaments : Filaments
        Those that reach the threshold.
    presence_probability : float
        Probability that the image shows a spirochaete.
    features : ndarray of float, (filaments, features)
        Their features, see :func:`filament_features`.
    probabilities : ndarray of float, (filaments,)
        Their probabilities.
    """

    filaments: Filaments
    presence_probability: float
    features: np.ndarray
    probabilities: np.ndarray


def judge_filaments(
    region: np.ndarray, around: Surroundings, evidence: Evidence, options: SegmentationOptions
) -> Judgment:
    """Find the filaments of a region that are spirochaetes.

    Parameters
    ----------
    region : ndarray of bool, (height, width)
        Pixels of filaments.
    around : Surroundings
    evidence : Evidence
    options : SegmentationOptions
    """
    candidates = replace(options, minimum_probability=CANDIDATE)
    labels, lengths, means = filaments = label_filaments(
        region, around.probability, around.cells, around.scale, candidates
    )
    features = filament_features(filaments, around)
    probabilities = evidence.probabilities(features)
    presence = evidence.presence_probability(probabilities)
    least = options.minimum_spirochaete_probability
    kept = probabilities >= (evidence.threshold if least is None else least)
    found = Filaments(keep(labels, kept), lengths[kept], means[kept])
    return Judgment(found, presence, features[kept], probabilities[kept])


def logistic(
    features: np.ndarray, means: np.ndarray, deviations: np.ndarray, coefficients: np.ndarray
) -> np.ndarray:
    """Return the probabilities of a logistic regression, float (n,).

    Parameters
    ----------
    features : ndarray of float, (n, features)
    means, deviations : ndarray of float, (features,)
        Means and standard deviations of the features in the fit.
    coefficients : ndarray of float, (1 + features,)
        Intercept, and the coefficients of the features minus means divided by deviations.
    """
    return expit((features - means) / deviations @ coefficients[1:] + coefficients[0])


def largest_logit(probabilities: np.ndarray) -> float:
    """Return the logit of the largest probability; of SURE if there is none."""
    return float(logit(np.clip(np.max(probabilities, initial=0), SURE, 1 - SURE)))


def evidence_attribute(evidence: Evidence) -> Dict[str, Any]:
    """Return the attribute of a weights file that holds the evidence, dict of str to JSON."""
    return {ATTRIBUTE: {"features": FEATURES, **asdict(evidence)}}


def declared_evidence(attributes: Mapping[str, Any]) -> Optional[Evidence]:
    """Read the evidence from the attributes of a weights file; None if they have none.

    Raises
    ------
    UserError
        It is damaged, or was fitted to other features.
    """
    if ATTRIBUTE not in attributes:
        return None
    try:
        given = dict(attributes[ATTRIBUTE])
        fits = tuple(given.pop("features")) == FEATURES
        threshold = float(given.pop("threshold"))
        numbers = {name: tuple(map(float, values)) for name, values in given.items()}
        evidence = Evidence(threshold=threshold, **numbers)
    except (TypeError, ValueError, KeyError) as error:
        raise UserError("It holds unusable evidence: copy or fit it again.") from error
    lengths = [len(values) for values in numbers.values()]
    finite = all(math.isfinite(value) for values in numbers.values() for value in values)
    if not fits or lengths != [len(FEATURES)] * 2 + [len(FEATURES) + 1, 2] or not finite:
        raise UserError("Its evidence was fitted to other features: fit it again.")
    return evidence


def filament_features(filaments: Filaments, around: Surroundings) -> np.ndarray:
    """Measure what tells spirochaetes from other filaments.

    Mean probability along the skeleton and the tenth that is lowest are logits; length and width at
    the working scale and the tortuosity, the length divided by the diagonal of the bounding box,
    are logarithms. Contrast is the mean brightness along the skeleton, 0 to 1, minus the median of
    the surroundings, and halo the mean probability there. Distances from the skeleton to cells and
    to pixels that are not valid are logarithms of 1 plus pixels at the working scale, at most
    FARTHEST.

    Parameters
    ----------
    filaments : Filaments
    around : Surroundings

    Returns
    -------
    ndarray of float, (filaments, features)
        In the order of FEATURES.
    """
    found: List[Tuple[float, ...]] = []
    if not len(filaments.lengths):
        return np.zeros((0, len(FEATURES)))
    margin = math.ceil(FARTHEST / around.scale) + 1
    boxes = ndimage.find_objects(filaments.labels)
    for number, (box, length) in enumerate(zip(boxes, filaments.lengths), 1):
        wide = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in box)
        labels = filaments.labels[wide]
        gray = to_rgb(around.image[wide], around.exposure).mean(axis=2) / 255
        cut = around._replace(
            image=gray,
            probability=around.probability[wide],
            cells=around.cells[wide],
            valid=around.valid[wide],
        )
        found.append(_features(labels == number, labels > 0, length, cut))
    return np.array(found)


def _features(
    part: np.ndarray, filaments: np.ndarray, length: float, around: Surroundings
) -> Tuple[float, ...]:
    """Return the features of a filament.

    ``part`` are its pixels and ``filaments`` those of all, bool (height, width). The image of the
    surroundings is gray, 0 to 1.
    """
    gray, scale, line = around.image, around.scale, skeleton(part)
    along = around.probability[line]
    distance = ndimage.distance_transform_edt(~part) * scale
    near = (distance > INNER) & (distance <= OUTER) & around.valid & ~around.cells & ~filaments
    bright = gray[line].mean()
    background, halo = (
        (np.median(gray[near]), around.probability[near].mean()) if near.any() else (bright, 0.0)
    )
    points = np.argwhere(line)
    diagonal = np.hypot(*(np.ptp(points, axis=0) + 1))
    outside = np.pad(~around.valid, 1, constant_values=True)
    return (
        *logit(np.clip([along.mean(), np.quantile(along, 0.1)], SURE, 1 - SURE)),
        np.log(length * scale),
        np.log(part.sum() / length * scale),
        bright - background,
        halo,
        np.log(length / diagonal),
        _distance(np.pad(line, 1), outside, scale),
        _distance(line, around.cells, scale),
    )


def _distance(line: np.ndarray, others: np.ndarray, scale: float) -> float:
    """Return the logarithm of 1 plus the distance of a line to other pixels, at most FARTHEST."""
    if not others.any():
        return math.log1p(FARTHEST)
    distance = ndimage.distance_transform_edt(~others)[line].min() * scale
    return math.log1p(min(distance, FARTHEST))
