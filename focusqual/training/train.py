"""Train the focus network. Uses only Keras, so any Keras backend works."""

import functools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from focusqual.evaluation.scores import cumulative_truth, prediction_scores
from focusqual.inference.network import FOCUS_PATCH_1, LOGITS
from focusqual.inference.normalization import NORMALIZATION
from focusqual.inference.patches import PATCH_SIZE
from focusqual.levels import LEVELS
from focusqual.training.bank import Bank
from focusqual.training.processes import processes
from focusqual.training.sampling import Draw, drawing_from, sample, sample_plain
from focusqual.training.slides import Sources
from micrograph_networks.models.weights_file import Weights, write_weights
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.training.keras_models import build_keras_model, folded_arrays, set_arrays
from micrograph_networks.training.run import TrainingRun

SPECIMENS_PER_BATCH = 11
"""Specimens per batch; each gives 24 patches."""
BATCH_SIZE = 24 * SPECIMENS_PER_BATCH
"""Patches per batch: four at each of six depths of every specimen."""
RANKED_WEIGHT = 4.0
"""Weight of the ranked probability score in the loss; that of the cross-entropy is 1."""
WARM_UP = 0.02
"""Share of the steps in which the learning rate rises from 0."""
VALIDATION_SPECIMENS = 200
"""Specimens of the validation patches."""


@dataclass(frozen=True)
class Schedule:
    """Training schedule.

    Attributes
    ----------
    epochs, steps : int
        Number of epochs, and of batches of 264 patches per epoch.
    learning_rate : float
        Highest learning rate of Adam, after the warm-up; it falls to 0 along a cosine.
    seed : int
        Seed of the patches. Validation patches are drawn from another random stream.
    slides : int
        Number of slides in the bank; 0 without a bank.
    """

    epochs: int
    steps: int
    learning_rate: float
    seed: int
    slides: int = 0


def train(
    run: TrainingRun,
    parts: Mapping[str, Sources],
    schedule: Schedule,
    workers: int,
    about: Dict[str, Any],
    initial: Optional[Weights] = None,
    bank: Optional[Bank] = None,
) -> Path:
    """Train, or resume a run that was stopped, and write the weights file.

    The weights are an exponential moving average over the steps.

    Parameters
    ----------
    run : TrainingRun
    parts : dict of str to list of list of ndarray of float32
        In-focus images by source for ``train`` and ``validation``, cleaned by
        :func:`focusqual.simulation.sources.clean`.
    schedule : Schedule
    workers : int
        Number of processes that draw patches.
    about : dict
        JSON values to save in the weights file: training data, their license, command.
    initial : Weights, optional
        Weights to start from; random by default.
    bank : Bank, optional
        Bank of the training images, from which slides are drawn.

    Returns
    -------
    Path
        Path of the weights file in the folder of the run.
    """
    from micrograph_networks.training.averaging import MovingAverage
    from micrograph_networks.training.step_progress import StepProgress

    sources = parts["train"]
    draw = bank.draw if bank else drawing_from(sources)
    patches, levels = sample_plain((schedule.seed, 1), parts["validation"], VALIDATION_SPECIMENS)
    patches = _images(patches)
    model, done = run.resume()
    if model is None:
        model = _start(schedule, draw, initial)
    average = MovingAverage(run.folder, model, done, schedule.steps)
    averaged = build_trainable_model()
    progress = StepProgress((schedule.epochs - done) * schedule.steps)
    with processes(workers, functools.partial(_draw, schedule.seed, draw)) as each:
        for epoch in range(done, schedule.epochs):
            history = model.fit(
                _batches(each, schedule, epoch),
                initial_epoch=epoch,
                epochs=epoch + 1,
                steps_per_epoch=schedule.steps,
                callbacks=[average, progress],
                verbose=0,
            )
            averaged.set_weights(average.weights)
            found = averaged.predict(patches, batch_size=BATCH_SIZE, verbose=0)
            scores = prediction_scores(found["probabilities"], levels)
            average.save(epoch + 1)
            run.end_epoch(
                model, {"epoch": epoch + 1, "loss": history.history["loss"][-1], **scores}
            )
            average.remove_before(epoch + 1)
            progress.say(
                f"Epoch {epoch + 1} of {schedule.epochs}: loss {history.history['loss'][-1]:.3f}; "
                f"{scores['within_one']:.1%} of the validation patches within one level"
            )
    progress.close()
    averaged.set_weights(average.weights)
    logits = averaged.predict(patches, batch_size=BATCH_SIZE, verbose=0)[LOGITS]
    temperature = calibrate(logits, levels)
    attributes = {
        **about,
        "class_names": [f"level {level}" for level in range(LEVELS)],
        "initial": initial and initial.attributes,
        "input_normalization": NORMALIZATION,
        "patch_size": PATCH_SIZE,
        "training_images": sum(map(len, sources)),
        "schedule": asdict(schedule),
        "temperature": temperature,
        "validation": prediction_scores(softmax(logits / temperature, axis=1), levels),
    }
    arrays = calibrated_arrays(averaged, temperature)
    path = run.folder / "focus.h5"
    write_weights(path, Weights(FOCUS_PATCH_1.architecture, arrays, attributes))
    return path


def build_trainable_model() -> Any:
    """Build the network with the outputs that its losses and calibration need.

    Returns
    -------
    keras.Model
        From normalized patches (n, 84, 84, 1) to ``logits``, ``probabilities`` and ``cumulative``
        (running sum of the probabilities over the levels), each (n, 11).
    """
    import keras

    model = build_keras_model(FOCUS_PATCH_1)
    # A fixed matrix computes the running sum. Its squared error is the ranked probability score.
    running_sum = keras.layers.Dense(LEVELS, use_bias=False, trainable=False, name="cumulative")
    cumulative = running_sum(model.output)
    running_sum.set_weights([np.triu(np.ones((LEVELS, LEVELS), dtype=np.float32))])
    logits = model.get_layer(LOGITS).output
    outputs = {LOGITS: logits, "probabilities": model.output, "cumulative": cumulative}
    return keras.Model(model.inputs, outputs)


def calibrated_arrays(model: Any, temperature: float) -> Arrays:
    """Return the arrays of a trained model for inference, with logits divided by a temperature."""
    arrays = folded_arrays(model, FOCUS_PATCH_1)
    arrays[LOGITS] = {name: array / temperature for name, array in arrays[LOGITS].items()}
    return arrays


def calibrate(logits: np.ndarray, levels: np.ndarray) -> float:
    """Find the temperature that minimizes the cross-entropy of held-back patches.

    Guo et al. 2017, On calibration of modern neural networks, section 4.2.

    Parameters
    ----------
    logits : ndarray, (n, 11)
    levels : ndarray of int, (n,)

    Returns
    -------
    float
        Temperature, 1/5 to 5; the network is overconfident if it is above 1.
    """
    rows = np.arange(len(levels))

    def cross_entropy(log_temperature: float) -> float:
        return -log_softmax(logits / np.exp(log_temperature), axis=1)[rows, levels].mean()

    found = minimize_scalar(cross_entropy, bounds=(-np.log(5), np.log(5)), method="bounded")
    return float(np.exp(found.x))


def _start(schedule: Schedule, draw: Draw, initial: Optional[Weights]) -> Any:
    """Return a new model, random or with initial weights, ready to train."""
    import keras

    model = build_trainable_model()
    if initial is not None:
        patches, _ = sample((schedule.seed, 2), draw, SPECIMENS_PER_BATCH)
        set_arrays(model, FOCUS_PATCH_1, initial.layers, _images(patches))
    steps = schedule.epochs * schedule.steps
    warm_up = max(round(WARM_UP * steps), 1)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(steps - warm_up, 1),
        warmup_target=schedule.learning_rate,
        warmup_steps=warm_up,
    )
    model.compile(
        keras.optimizers.Adam(rate),
        loss={"probabilities": "sparse_categorical_crossentropy", "cumulative": "mse"},
        loss_weights={"probabilities": 1.0, "cumulative": RANKED_WEIGHT},
    )
    return model


def _images(patches: np.ndarray) -> np.ndarray:
    """Convert patches to the network's input, float32 (n, 84, 84, 1)."""
    return patches[..., None].astype(np.float32)


def _batches(
    each: Callable[..., Iterator], schedule: Schedule, epoch: int
) -> Iterator[Tuple[np.ndarray, Dict[str, np.ndarray]]]:
    """Draw the batches of an epoch. They do not depend on whether the run was stopped before."""
    first = epoch * schedule.steps
    for patches, levels in each(range(first, first + schedule.steps)):
        yield (
            _images(patches),
            {"probabilities": levels, "cumulative": cumulative_truth(levels)},
        )


def _draw(seed: int, draw: Draw, step: int) -> Tuple[np.ndarray, np.ndarray]:
    return sample((seed, 0, step), draw, SPECIMENS_PER_BATCH)
