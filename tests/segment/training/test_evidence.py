import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from colored_scenes import color_model, scene
from scipy.special import expit, logit

from micrograph_networks.errors import UserError
from micrograph_networks.evaluation.calibration import expected_calibration_error, reliability
from micrograph_networks.evaluation.ranking import area_under_curve
from micrograph_networks.images.image_files import write_png
from segment import load_model
from segment.annotations.dataset import Pair
from segment.commandline.commands import main
from segment.inference.evidence import FEATURES
from segment.training import evidence
from segment.training.evidence import Observed, fit_evidence, operating_point

LENGTH = FEATURES.index("length")


@pytest.fixture
def observed(rng):
    """2000 candidates in 500 images; longer ones are true more often."""
    features = rng.normal(size=(2000, len(FEATURES)))
    features[:, 0] = logit(rng.uniform(0.6, 0.99, 2000))
    is_true = rng.random(2000) < expit(3 * features[:, LENGTH] - 2)
    image = rng.integers(0, 500, 2000)
    shows = np.bincount(image[is_true], minlength=500) > 0
    return Observed(features, is_true, image, shows, np.arange(500))


def test_the_fit_finds_what_matters_and_is_calibrated(observed):
    fit = fit_evidence(observed)
    weights = np.array(fit.evidence.coefficients[1:]) / fit.evidence.deviations
    assert weights[LENGTH] == pytest.approx(3, rel=0.15)
    assert np.abs(np.delete(weights, LENGTH)).max() < 0.3
    for likely, truth in ((fit.probabilities, observed.is_true), (fit.presence, observed.shows)):
        assert expected_calibration_error(reliability(likely, truth)) < 0.05
        assert area_under_curve(likely[truth], likely[~truth]) > 0.85
    in_sample = fit.evidence.probabilities(observed.features)
    assert np.abs(in_sample - fit.probabilities).max() < 0.1
    likely = fit.evidence.presence_probability(fit.probabilities[observed.image == 0])
    assert likely == pytest.approx(fit.presence[0], abs=0.05)


def test_the_threshold_loses_no_more_images_than_the_usual_rule(observed):
    fit = fit_evidence(observed)
    usual = operating_point(expit(observed.features[:, 0]) >= 0.8, observed)
    new = operating_point(fit.probabilities >= fit.evidence.threshold, observed)
    assert new.sensitivity >= usual.sensitivity
    assert new.specificity > usual.specificity
    assert fit_evidence(observed, 0.3).evidence.threshold == 0.3


def test_near_duplicates_are_in_one_fold():
    twice = np.tile(np.arange(250), 2)
    features = np.zeros((500, len(FEATURES)))
    features[:, LENGTH] = np.random.default_rng(1).normal(size=250)[twice]
    is_true = np.random.default_rng(2).random(250)[twice] < 0.5
    each = np.arange(500)
    fit = fit_evidence(Observed(features, is_true, each, is_true, twice), 0.5)
    np.testing.assert_allclose(fit.probabilities[:250], fit.probabilities[250:])


def test_rules_are_measured_by_image_and_by_candidate():
    truth, image = np.array([1, 0, 0, 1], bool), np.array([0, 0, 1, 2])
    shows = np.array([True, False, True, False])
    observed = Observed(np.zeros((4, 1)), truth, image, shows, np.arange(4))
    point = operating_point(np.array([1, 1, 1, 0], bool), observed)
    assert point == pytest.approx((0.5, 0.5, 1 / 3, 0.5))


def write_pairs(folder, count):
    """Write scenes whose spirochaete is in the mask of every second one."""
    pairs = []
    for number in range(count):
        image, mask = scene(), np.zeros((96, 128), np.uint8)
        mask[80:83, 20:100] = 2 * (number % 2)
        write_png(folder / f"{number}.png", image)
        write_png(folder / f"{number}_mask.png", mask)
        pairs.append(Pair(f"{number}", folder / f"{number}.png", folder / f"{number}_mask.png"))
    return pairs


def test_candidates_are_compared_with_masks(tmp_path):
    observed = evidence.observe(write_pairs(tmp_path, 10), color_model())
    assert observed.features.shape == (10, len(FEATURES))
    assert observed.image.tolist() == list(range(10))
    assert observed.is_true.tolist() == observed.shows.tolist() == [False, True] * 5
    assert observed.group.tolist() == [0] * 10  # all show the same scene


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(UserError, match="give more images"):
        evidence.observe(write_pairs(tmp_path, 4), color_model())


def test_the_command_writes_a_copy_with_evidence(tmp_path, random_weights, observed, monkeypatch):
    monkeypatch.setattr(evidence, "observe", lambda *_: observed)
    pairs = write_pairs(tmp_path, 2)
    rows = pd.DataFrame(
        {"images": [p.image.name for p in pairs], "masks": [p.mask.name for p in pairs]}
    )
    rows.to_csv(tmp_path / "data.csv", index=False)
    given = ["fit-evidence", "--csv", tmp_path / "data.csv", "--output", tmp_path / "fit"]
    given += ["--model", random_weights, "--engine", "numpy", "--threshold", 0.4]
    result = CliRunner().invoke(main, list(map(str, given)))
    assert result.exit_code == 0, result.output
    assert "Minimum probability 0.4: sensitivity" in result.output
    fitted = load_model(tmp_path / "fit" / "darkfield.h5", "numpy").evidence
    assert fitted == fit_evidence(observed, 0.4).evidence
    table = pd.read_csv(tmp_path / "fit" / "evidence.csv")
    assert (np.diff(table["sensitivity"]) <= 0).all()
    assert (np.diff(table["specificity"]) >= 0).all()
