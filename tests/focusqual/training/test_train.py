import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from focusqual import load_model, measure_focus
from focusqual.simulation import scenes
from focusqual.training import train as training
from focusqual.training.train import Schedule, calibrate, train
from micrograph_networks.engines import load_functions
from micrograph_networks.training import run as training_run
from micrograph_networks.training.run import TrainingRun


@pytest.fixture
def images():
    return [scenes.nuclei(np.random.default_rng(seed), 260, 1.0) for seed in range(3)]


@pytest.fixture
def parts(images):
    return {"train": [images], "validation": [images]}


def logged(run):
    return [epoch["epoch"] for epoch in run.epochs]


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_stopped_run_goes_on_and_ends_with_usable_weights(
    tmp_path, images, parts, monkeypatch, epoch
):
    until = list(range(1, epoch + 1))
    monkeypatch.setattr(training, "VALIDATION_SPECIMENS", 2)
    atomic_write, run = training_run.atomic_write, TrainingRun(tmp_path, {})

    def killed(path):
        if path.suffix == ".keras" and logged(run) == until:
            raise KeyboardInterrupt
        return atomic_write(path)

    schedule = Schedule(epochs=3, steps=2, learning_rate=2e-3, seed=0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training_run, "atomic_write", killed)
        train(run, parts, schedule, workers=1, about={})
    assert logged(run) == until
    path = train(run, parts, schedule, workers=1, about={})
    assert logged(run) == [1, 2, 3]
    # The epoch had been logged but not saved, so it was learned again: six steps in all.
    import keras

    model = keras.models.load_model(tmp_path / "checkpoint_0003.keras")
    assert int(model.optimizer.iterations) == 6
    measurement = measure_focus(images[0], load_model(path))
    np.testing.assert_allclose(measurement.probabilities.sum(axis=-1), 1, rtol=1e-5)


def test_calibration_finds_the_temperature(rng):
    true_logits = rng.normal(0, 2, (20_000, 11))
    cumulative = np.exp(log_softmax(true_logits, axis=1)).cumsum(axis=1)
    levels = (rng.random((20_000, 1)) > cumulative).sum(axis=1).clip(0, 10)
    assert calibrate(true_logits * 3, levels) == pytest.approx(3, rel=0.05)


def test_the_trainable_model_gives_what_its_losses_need(rng):
    model = training.build_trainable_model()
    found = model.predict(rng.normal(size=(5, 84, 84, 1)).astype(np.float32), verbose=0)
    cumulative = found["probabilities"].cumsum(axis=1)
    np.testing.assert_allclose(found["cumulative"], cumulative, atol=1e-5)
    np.testing.assert_allclose(
        log_softmax(found["logits"], axis=1), np.log(found["probabilities"]), atol=1e-4
    )


def test_the_temperature_divides_the_logits(rng):
    model = training.build_trainable_model()
    network = training.FOCUS_PATCH_1
    arrays = training.calibrated_arrays(model, temperature=2.5)
    (function,) = load_functions(network, arrays, "tensorflow")
    patches = rng.normal(size=(7, 84, 84, 1)).astype(np.float32)
    expected = softmax(model.predict(patches, verbose=0)["logits"] / 2.5, axis=1)
    np.testing.assert_allclose(function(patches), expected, atol=1e-5)
