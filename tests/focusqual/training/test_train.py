import numpy as np
import pytest
from scipy.special import log_softmax

from focusqual import rate_focus
from focusqual.simulation import scenes
from focusqual.training import train as training
from focusqual.training.train import Schedule, calibrate, train
from micrograph_networks.training.log import read_log


@pytest.fixture
def images():
    return [scenes.nuclei(np.random.default_rng(seed), 260, 1.0) for seed in range(3)]


@pytest.fixture
def parts(images):
    return {"train": images, "validation": images}


def logged(folder):
    return [row["epoch"] for row in read_log(folder / training.LOG)]


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_stopped_run_goes_on_and_ends_with_usable_weights(
    tmp_path, images, parts, monkeypatch, epoch
):
    until = list(range(1, epoch + 1))
    monkeypatch.setattr(training, "VALIDATION_SOURCES", 2)
    whole_file = training.whole_file

    def killed(path):
        if path.name == training.CHECKPOINT and logged(tmp_path) == until:
            raise KeyboardInterrupt
        return whole_file(path)

    schedule = Schedule(epochs=3, steps=2, learning_rate=2e-3, seed=0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "whole_file", killed)
        train(tmp_path, parts, schedule, workers=1, about={})
    assert logged(tmp_path) == until
    path = train(tmp_path, parts, schedule, workers=1, about={})
    assert logged(tmp_path) == [1, 2, 3]
    # The epoch had been logged but not saved, so it was learned again: six steps in all.
    import keras

    model = keras.models.load_model(tmp_path / training.CHECKPOINT)
    assert int(model.optimizer.iterations) == 6
    rating = rate_focus(images[0], weights=path)
    np.testing.assert_allclose(rating.probabilities.sum(axis=-1), 1, rtol=1e-5)


def test_calibration_finds_the_temperature(rng):
    true_logits = rng.normal(0, 2, (20_000, 11))
    cumulative = np.exp(log_softmax(true_logits, axis=1)).cumsum(axis=1)
    levels = (rng.random((20_000, 1)) > cumulative).sum(axis=1).clip(0, 10)
    assert calibrate(true_logits * 3, levels) == pytest.approx(3, rel=0.05)
