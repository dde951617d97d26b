from dataclasses import replace

import numpy as np
import pytest
from colored_scenes import color_model, scene

from micrograph_networks.errors import UserError
from segment import SegmentationOptions, segment_image
from segment.inference.evidence import (
    ATTRIBUTE,
    FEATURES,
    Evidence,
    declared_evidence,
    evidence_attribute,
    largest_logit,
)

LENGTH = FEATURES.index("length")


def evidence_of(feature, coefficient, intercept=0.0, threshold=0.5):
    """Return evidence that depends on one feature."""
    coefficients = [intercept, *np.where(np.arange(len(FEATURES)) == feature, coefficient, 0.0)]
    zeros, ones = (0.0,) * len(FEATURES), (1.0,) * len(FEATURES)
    return Evidence(zeros, ones, tuple(map(float, coefficients)), (-1.0, 2.0), threshold)


def lines():
    """A scene with two more spirochaetes: a short one and one along the border."""
    image = scene()
    image[5:8, 90:120, 1] = 255
    image[93:96, 30:60, 1] = 255
    return image


def found(image, evidence, **options):
    model = replace(color_model(), evidence=evidence)
    result = segment_image(image, model, options=SegmentationOptions(**options))
    return result.of_class("spirochaete"), result


def features(image):
    spirochaetes, _ = found(image, evidence_of(0, 0.0, threshold=0.0))
    return dict(zip(FEATURES, spirochaetes.features.T))


def test_features_describe_each_filament():
    measured = features(lines())
    top, middle, bottom = range(3)
    np.testing.assert_allclose(np.exp(measured["length"]), [30, 80, 30], rtol=0.05)
    np.testing.assert_allclose(np.exp(measured["width"]), 3, rtol=0.05)
    np.testing.assert_allclose(measured["mean_probability"], np.log(0.9 / 0.1), rtol=1e-4)
    np.testing.assert_allclose(measured["contrast"], 1 / 3, atol=0.01)  # one of three channels
    np.testing.assert_allclose(measured["tortuosity"], 0, atol=0.06)
    border, cell = np.expm1(measured["border_distance"]), np.expm1(measured["cell_distance"])
    assert [border[top], border[bottom]] == pytest.approx([7, 2], abs=1.1)
    assert border[middle] == pytest.approx(15, abs=1.1)
    assert cell[top] < cell[bottom]


def test_a_bent_filament_is_tortuous():
    image = np.zeros((96, 128, 3), np.uint8)
    image[20:60, 30:33, 1] = image[57:60, 30:70, 1] = image[20:60, 67:70, 1] = 255
    assert features(image)["tortuosity"] > 0.5


def test_features_are_in_pixels_at_the_working_scale():
    once, twice = (features(np.repeat(np.repeat(lines(), n, 0), n, 1)) for n in (1, 2))
    for name in ("length", "width", "contrast", "border_distance", "cell_distance"):
        np.testing.assert_allclose(once[name], twice[name], atol=0.2)


def test_improbable_filaments_are_discarded_but_count_for_the_image():
    evidence = evidence_of(LENGTH, 4.0, -16.0)  # 0.5 at a length of e^4 = 55 pixels
    spirochaetes, result = found(lines(), evidence)
    assert len(spirochaetes.means) == spirochaetes.labels.max() == 1
    (probability,) = spirochaetes.spirochaete_probabilities
    assert probability > 0.5
    assert np.count_nonzero(result.classes == 2) == 240
    expected = 1 / (1 + np.exp(1 - 2 * largest_logit(np.array([probability]))))
    assert result.presence_probability == pytest.approx(expected)
    every, same = found(lines(), evidence, minimum_spirochaete_probability=0.0)
    assert len(every.means) == 3
    assert same.presence_probability == result.presence_probability


def test_a_blank_image_has_the_lowest_presence_probability():
    _, result = found(np.zeros((96, 128), np.uint8), evidence_of(0, 1.0))
    assert result.presence_probability == pytest.approx(1 / (1 + np.exp(1 + 2 * np.log(99))))


def test_evidence_replaces_the_least_mean_probability():
    spirochaetes, _ = found(lines(), evidence_of(0, 0.0), minimum_probability=0.95)
    assert len(spirochaetes.means) == 3


def test_evidence_is_saved_and_damage_is_reported():
    evidence = evidence_of(3, 2.0)
    attributes = evidence_attribute(evidence)
    assert declared_evidence(attributes) == evidence
    assert declared_evidence({}) is None
    saved = attributes[ATTRIBUTE]
    for damage in (
        3,
        {"features": FEATURES},
        {**saved, "features": FEATURES[1:]},
        {**saved, "means": saved["means"][1:]},
        {**saved, "coefficients": [float("nan")] * (len(FEATURES) + 1)},
        {**saved, "threshold": "x"},
        {**saved, "other": [1]},
    ):
        with pytest.raises(UserError, match="evidence"):
            declared_evidence({ATTRIBUTE: damage})
