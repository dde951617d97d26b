from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from support import FOCUS_MODELS

from focusqual import load_model, measure_focus
from focusqual.inference.network import FOCUS_PATCH_1, NETWORKS
from focusqual.simulation import scenes
from focusqual.training import train as training
from focusqual.training.bank import fill_bank, open_bank
from focusqual.training.train import Schedule, calibrate, train
from micrograph_networks.engines import load_functions
from micrograph_networks.files.writing import output_folder
from micrograph_networks.models.weights_file import read_weights
from micrograph_networks.networks.layers import Dropout
from micrograph_networks.training import run as training_run
from micrograph_networks.training.run import TrainingRun


def test_a_stopped_run_resumes_and_ends_with_usable_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "VALIDATION_SPECIMENS", 2)
    images = [scenes.nuclei(np.random.default_rng(seed), 260, 1.0) for seed in range(3)]
    parts = {"train": [images], "validation": [images]}
    schedule = Schedule(epochs=3, steps=1, learning_rate=2e-3, seed=0)
    run = TrainingRun(tmp_path, {})
    atomic_write = training_run.atomic_write

    def killed(path):
        """Stop after the last epoch was logged, before its checkpoint is written."""
        if path.suffix == ".keras" and len(run.epochs) == stop:
            raise KeyboardInterrupt
        return atomic_write(path)

    initial = read_weights(FOCUS_MODELS[-1].path, NETWORKS)
    for stop in (1, 2):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(training_run, "atomic_write", killed)
            train(run, parts, schedule, workers=1, about={}, initial=initial)
        assert len(run.epochs) == stop
    path = train(run, parts, schedule, workers=1, about={})
    assert [epoch["epoch"] for epoch in run.epochs] == [1, 2, 3]
    # Epochs without a checkpoint were learned again: three steps in all.
    import keras

    model = keras.models.load_model(tmp_path / "checkpoint_0003.keras")
    assert int(model.optimizer.iterations) == 3
    measurement = measure_focus(images[0], load_model(path))
    np.testing.assert_allclose(measurement.probabilities.sum(axis=-1), 1, rtol=1e-5)


def test_with_a_bank_a_resumed_run_learns_what_an_uninterrupted_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "VALIDATION_SPECIMENS", 1)
    monkeypatch.setattr(training, "SPECIMENS_PER_BATCH", 1)
    # The random numbers of dropout are not resumed.
    layers = tuple(layer for layer in FOCUS_PATCH_1.layers if not isinstance(layer, Dropout))
    monkeypatch.setattr(training, "FOCUS_PATCH_1", replace(FOCUS_PATCH_1, layers=layers))
    images = [scenes.nuclei(np.random.default_rng(seed), 260, 1.0) for seed in range(2)]
    parts = {"train": [images], "validation": [images]}
    bank = open_bank(tmp_path / "bank", 2, [images], seed=0)
    fill_bank(bank, [images], seed=0, workers=1)
    schedule = Schedule(epochs=2, steps=2, learning_rate=2e-3, seed=0, slides=2)
    initial = read_weights(FOCUS_MODELS[-1].path, NETWORKS)
    runs = [TrainingRun(output_folder(tmp_path / name), {}) for name in ("whole", "stopped")]
    end_epoch = TrainingRun.end_epoch

    def killed(run, model, epoch):
        if epoch["epoch"] == 2:
            raise KeyboardInterrupt
        end_epoch(run, model, epoch)

    def learn(run):
        return train(run, parts, schedule, 1, {}, initial, bank)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(TrainingRun, "end_epoch", killed)
        learn(runs[1])
    assert averages_in(runs[1]) == ["average_0001.npz", "average_0002.npz"]
    whole, resumed = (read_weights(learn(run), NETWORKS).layers for run in runs)
    assert averages_in(runs[1]) == ["average_0002.npz"]
    for layer, arrays in whole.items():
        for name, array in arrays.items():
            np.testing.assert_allclose(resumed[layer][name], array, rtol=1e-3, atol=1e-5)


def averages_in(run):
    return sorted(path.name for path in run.folder.glob("average*"))


def test_calibration_finds_the_temperature(rng):
    true_logits = rng.normal(0, 2, (20_000, 11))
    cumulative = np.exp(log_softmax(true_logits, axis=1)).cumsum(axis=1)
    levels = (rng.random((20_000, 1)) > cumulative).sum(axis=1).clip(0, 10)
    assert calibrate(true_logits * 3, levels) == pytest.approx(3, rel=0.05)


def test_the_trainable_model_gives_what_its_losses_need(rng):
    model = training.build_trainable_model()
    patches = rng.normal(size=(7, 84, 84, 1)).astype(np.float32)
    found = model.predict(patches, verbose=0)
    probabilities = found["probabilities"]
    np.testing.assert_allclose(found["cumulative"], probabilities.cumsum(axis=1), atol=1e-5)
    np.testing.assert_allclose(softmax(found["logits"], axis=1), probabilities, atol=1e-5)
    arrays = training.calibrated_arrays(model, temperature=2.5)
    (function,) = load_functions(FOCUS_PATCH_1, arrays, "tensorflow")
    expected = softmax(found["logits"] / 2.5, axis=1)
    np.testing.assert_allclose(function(patches), expected, atol=1e-5)
