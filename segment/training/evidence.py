"""Fit the evidence for spirochaetes on images with masks that the network has not seen."""

from dataclasses import replace
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from skimage.transform import resize

from micrograph_networks.errors import UserError
from micrograph_networks.evaluation.calibration import expected_calibration_error, reliability
from micrograph_networks.evaluation.ranking import area_under_curve
from micrograph_networks.images.gray import to_gray
from micrograph_networks.progress import follow
from micrograph_networks.training.split import near_duplicate_groups
from segment.annotations.dataset import Pair, read_pair
from segment.evaluation.matching import on_true_filaments
from segment.inference.evidence import FEATURES, JUDGED, Evidence, largest_logit, logistic
from segment.inference.model import SegmentationModel
from segment.inference.options import SegmentationOptions
from segment.inference.segmentation import segment_image

RIDGE = 1.0
"""Penalty of the squared coefficients of features that are scaled to a standard deviation of 1."""
FOLDS = 10
THUMBNAIL = (64, 64)
"""Size of the images that are compared to find near duplicates."""
LEAST_MEAN = SegmentationOptions().minimum_probability
"""Minimum mean probability of a filament by models without evidence."""
MEAN_PROBABILITY = FEATURES.index("mean_probability")
FEWEST = 5
"""Minimum number of filaments, and of images, of each kind."""
UNFITTED = Evidence(
    means=(0.0,) * len(FEATURES),
    deviations=(1.0,) * len(FEATURES),
    coefficients=(0.0,) * (len(FEATURES) + 1),
    presence=(0.0, 0.0),
    threshold=0.0,
)
"""Evidence that keeps all candidates."""


class Observed(NamedTuple):
    """Candidates of images whose masks are known.

    Attributes
    ----------
    features : ndarray of float, (candidates, features)
    is_true : ndarray of bool, (candidates,)
        True if a person outlined it.
    image : ndarray of int, (candidates,)
        Index of its image.
    shows : ndarray of bool, (images,)
        True if a person outlined a spirochaete in the image.
    group : ndarray of int, (images,)
        Group of near duplicates of each image, from 0 on.
    """

    features: np.ndarray
    is_true: np.ndarray
    image: np.ndarray
    shows: np.ndarray
    group: np.ndarray


def observe(pairs: Sequence[Pair], model: SegmentationModel) -> Observed:
    """Segment images and compare their candidates with the masks.

    Parameters
    ----------
    pairs : sequence of Pair
        Images that the network has not seen, and their masks.
    model : SegmentationModel

    Raises
    ------
    UserError
        A file is unusable, the model finds no spirochaetes, or there are too few images or
        candidates of a kind.
    """
    names = [one.name for one in model.classes]
    features: List[np.ndarray] = []
    is_true, shows, thumbnails = [], [], []
    for pair in follow(pairs, "image"):
        image, mask = read_pair(pair, names)
        result = segment_image(image, replace(model, evidence=UNFITTED))
        found = result.of_class(JUDGED)
        truth = mask == found.class_index
        assert found.features is not None  # because there is evidence
        features.append(found.features)
        is_true.append(on_true_filaments(truth, found.labels))
        shows.append(truth.any())
        thumbnails.append(resize(to_gray(image).astype(np.float32), THUMBNAIL, anti_aliasing=True))
    image_of = np.repeat(np.arange(len(pairs)), [len(one) for one in is_true])
    observed = Observed(
        np.concatenate(features),
        np.concatenate(is_true),
        image_of,
        np.array(shows),
        near_duplicate_groups(thumbnails),
    )
    for kind, truth in (("filaments", observed.is_true), ("images", observed.shows)):
        least = min(np.count_nonzero(truth), np.count_nonzero(~truth))
        if least < FEWEST:
            raise UserError(
                f"Of the {len(truth)} {kind}, {np.count_nonzero(truth)} are or show spirochaetes; "
                f"at least {FEWEST} must, and {FEWEST} must not: give more images."
            )
    return observed


class Fit(NamedTuple):
    """Evidence, and what it gives for images that it was not fitted to.

    Attributes
    ----------
    evidence : Evidence
    probabilities : ndarray of float, (candidates,)
        Probabilities by cross-validation over the images.
    presence : ndarray of float, (images,)
        Presence probabilities by cross-validation over the images.
    """

    evidence: Evidence
    probabilities: np.ndarray
    presence: np.ndarray

    def sentences(self, observed: Observed) -> Iterator[str]:
        """Yield sentences about the quality of the fit by cross-validation."""
        _, is_true, _, shows, _ = observed
        yield f"{len(is_true)} filaments, of which people outlined {is_true.sum()}, in {len(shows)}"
        yield f"images, of which {shows.sum()} show spirochaetes."
        for name, likely, truth in (
            ("filaments", self.probabilities, is_true),
            ("images", self.presence, shows),
        ):
            error = expected_calibration_error(reliability(likely, truth))
            area = area_under_curve(likely[truth], likely[~truth])
            yield f"Probabilities of {name}: area under the curve {area:.3f}, off by {error:.3f}."
        least = self.evidence.threshold
        for name, kept in (
            (f"probability {least:g}", self.probabilities >= least),
            (f"mean probability {LEAST_MEAN:g}", kept_without_evidence(observed)),
        ):
            point = operating_point(kept, observed)
            yield (
                f"Minimum {name}: sensitivity {point.sensitivity:.3f} and specificity "
                f"{point.specificity:.3f} of images; precision {point.precision:.3f} and recall "
                f"{point.recall:.3f} of filaments."
            )


def fit_evidence(observed: Observed, threshold: Optional[float] = None) -> Fit:
    """Fit the evidence, and cross-validate it in ten folds; near duplicates stay in one fold.

    Parameters
    ----------
    observed : Observed
    threshold : float, optional
        Minimum probability of a spirochaete, 0 to 1. By default the largest that keeps at least as
        many of the images with spirochaetes as the rule for models without evidence.
    """
    features, is_true, image, shows, group = observed
    fold = np.random.default_rng(0).permutation(group.max() + 1)[group] % FOLDS
    probabilities = _cross_validated(features, is_true, fold[image])
    largest = largest_logits(probabilities, observed)[:, None]
    if threshold is None:
        threshold = _threshold(probabilities, observed)
    means, deviations, coefficients = _logistic(features, is_true)
    (mean,), (deviation,), (intercept, slope) = _logistic(largest, shows)
    evidence = Evidence(
        means=tuple(means),
        deviations=tuple(deviations),
        coefficients=tuple(coefficients),
        presence=(intercept - slope * mean / deviation, slope / deviation),
        threshold=threshold,
    )
    return Fit(evidence, probabilities, _cross_validated(largest, shows, fold))


def kept_without_evidence(observed: Observed) -> np.ndarray:
    """Return which candidates models without evidence keep, bool (candidates,)."""
    return expit(observed.features[:, MEAN_PROBABILITY]) >= LEAST_MEAN


def largest_logits(probabilities: np.ndarray, observed: Observed) -> np.ndarray:
    """Return the largest logit of each image, float (images,)."""
    images = range(len(observed.shows))
    return np.array([largest_logit(probabilities[observed.image == one]) for one in images])


def _cross_validated(features: np.ndarray, truth: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return probabilities by a fit to the other folds, float (n,)."""
    probabilities = np.zeros(len(truth))
    for one in range(FOLDS):
        means, deviations, weights = _logistic(features[fold != one], truth[fold != one])
        probabilities[fold == one] = logistic(features[fold == one], means, deviations, weights)
    return probabilities


def _logistic(features: np.ndarray, truth: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit a logistic regression with a ridge penalty to features (n, count) and bool (n,).

    Returns means and deviations of the features, and the intercept and the coefficients.
    """
    means, deviations = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    scaled, sign = (features - means) / deviations, np.where(truth, -1, 1)

    def loss(weights: np.ndarray) -> float:
        logits = scaled @ weights[1:] + weights[0]
        return np.logaddexp(0, sign * logits).sum() + RIDGE / 2 * (weights[1:] ** 2).sum()

    return means, deviations, minimize(loss, np.zeros(features.shape[1] + 1)).x


def _threshold(probabilities: np.ndarray, observed: Observed) -> float:
    """Return the largest threshold that loses no more images than the rule without evidence."""
    sensitivity = operating_point(kept_without_evidence(observed), observed).sensitivity
    tried = np.round(np.arange(0.99, 0, -0.01), 2)
    enough = [
        one
        for one in tried
        if operating_point(probabilities >= one, observed).sensitivity >= sensitivity
    ]
    return float(enough[0]) if enough else 0.0


class OperatingPoint(NamedTuple):
    """Accuracy of a rule that keeps some candidates.

    Attributes
    ----------
    sensitivity, specificity : float
        Shares of the images with, and without, spirochaetes in which a candidate is kept, or none.
    precision, recall : float
        Shares of the kept candidates that are true, and of the true ones that are kept.
    """

    sensitivity: float
    specificity: float
    precision: float
    recall: float


def operating_point(kept: np.ndarray, observed: Observed) -> OperatingPoint:
    """Measure a rule that keeps some candidates, bool (candidates,)."""
    alarm = np.bincount(observed.image[kept], minlength=len(observed.shows)) > 0
    true = observed.is_true & kept
    return OperatingPoint(
        float(alarm[observed.shows].mean()),
        float(1 - alarm[~observed.shows].mean()),
        float(true.sum() / max(kept.sum(), 1)),
        float(true.sum() / observed.is_true.sum()),
    )
