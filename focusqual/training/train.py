"""Train the focus network with Keras alone, on any of its backends."""

import multiprocessing
from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from focusqual.evaluation.scores import cumulative_truth, summary
from focusqual.inference.network import ARCHITECTURE, build_keras_model, fold_layers, unfold_layers
from focusqual.inference.patches import NORMALISATION, PATCH_SIZE
from focusqual.simulation.optics import LEVELS
from focusqual.training.sampling import sample
from micrograph_networks.files.writing import whole_file
from micrograph_networks.models.weights_file import Weights, write_weights
from micrograph_networks.training.log import append_row, rewind

SOURCES_PER_BATCH = 11
BATCH_SIZE = 24 * SOURCES_PER_BATCH
RANKED_WEIGHT = 4.0
"""Of the ranked probability score beside the cross-entropy."""
VALIDATION_SOURCES = 200
CHECKPOINT = "checkpoint.keras"
LOG = "training.csv"


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    Attributes
    ----------
    epochs, steps : int
        Epochs, and batches of 264 patches in each.
    learning_rate : float
        Of Adam at the start; it falls to 0 along a cosine.
    seed : int
        Of the patches; those of the validation set are drawn from another stream.
    """

    epochs: int
    steps: int
    learning_rate: float
    seed: int


def train(folder, parts, schedule, workers, about, initial=None):
    """Train, or go on with a run that was stopped, and write the weights file.

    A checkpoint is written after every epoch; a run that finds one goes on from there.

    Parameters
    ----------
    folder : Path
        Of the run: checkpoint.keras, training.csv and, at the end, focus.h5.
    parts : dict of str to list of ndarray of float32
        Images in focus, as :func:`focusqual.training.sampling.clean` gives them, for
        ``train`` and for ``validation``.
    schedule : Schedule
    workers : int
        Processes that draw patches.
    about : dict
        JSON values to keep in the weights file: training data, their licence, command.
    initial : Weights, optional
        Of the network to start from; random by default.

    Returns
    -------
    Path
        The weights file.
    """
    patches, levels = sample(
        (schedule.seed, 1), parts["validation"], VALIDATION_SOURCES, plain=True
    )
    patches = patches[..., None].astype(np.float32)
    model, epoch = _resume(folder, schedule) or (_start(schedule, parts["train"], initial), 0)
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _remember, (parts["train"], schedule.seed)) as pool:
        for current in range(epoch, schedule.epochs):
            loss = _learn(model, pool, schedule, current)
            probabilities = _predict(model, patches)["probabilities"]
            row = {"epoch": current + 1, "loss": loss, **summary(probabilities, levels)}
            append_row(folder / LOG, row)
            with whole_file(folder / CHECKPOINT) as temporary:
                model.save(temporary)
    logits = _predict(model, patches)["logits"]
    temperature = calibrate(logits, levels)
    attributes = {
        **about,
        "class_names": [f"level {level}" for level in range(LEVELS)],
        "initial": initial and initial.attributes,
        "input_normalisation": NORMALISATION,
        "patch_size": PATCH_SIZE,
        "training_images": len(parts["train"]),
        "schedule": asdict(schedule),
        "temperature": temperature,
        "validation": summary(softmax(logits / temperature, axis=1), levels),
    }
    path = folder / "focus.h5"
    write_weights(path, Weights(ARCHITECTURE, fold_layers(model, temperature), attributes))
    return path


def calibrate(logits, levels):
    """Find the temperature that minimises the cross-entropy of held-back patches.

    Guo et al. 2017, On calibration of modern neural networks, section 4.2.

    Parameters
    ----------
    logits : ndarray, (n, 11)
    levels : ndarray of int, (n,)

    Returns
    -------
    float
        Between 1/5 and 5; above 1 the network was too sure of itself.
    """
    rows = np.arange(len(levels))

    def cross_entropy(log_temperature):
        return -log_softmax(logits / np.exp(log_temperature), axis=1)[rows, levels].mean()

    found = minimize_scalar(cross_entropy, bounds=(-np.log(5), np.log(5)), method="bounded")
    return float(np.exp(found.x))


def _learn(model, pool, schedule, epoch):
    """Train for an epoch and give its mean loss."""
    history = model.fit(
        _batches(pool, schedule, epoch),
        initial_epoch=epoch,
        epochs=epoch + 1,
        steps_per_epoch=schedule.steps,
    )
    return history.history["loss"][-1]


def _predict(model, patches):
    return model.predict(patches, batch_size=BATCH_SIZE, verbose=0)


def _batches(pool, schedule, epoch):
    """The batches of an epoch; the same ones however often the run was stopped."""
    first = epoch * schedule.steps
    for patches, levels in pool.imap(_draw, range(first, first + schedule.steps)):
        yield (
            patches[..., None].astype(np.float32),
            {
                "probabilities": levels,
                "cumulative": cumulative_truth(levels),
            },
        )


def _remember(images, seed):
    """Give a worker process what it draws from, once."""
    _draw.images, _draw.seed = images, seed


def _draw(step):
    return sample((_draw.seed, 0, step), _draw.images, SOURCES_PER_BATCH)


def _resume(folder, schedule):
    """The model of a checkpoint and the number of epochs that it has learned."""
    import keras

    if not (folder / CHECKPOINT).exists():
        rewind(folder / LOG, 0)
        return None
    model = keras.models.load_model(folder / CHECKPOINT)
    epoch = int(model.optimizer.iterations) // schedule.steps
    rewind(folder / LOG, epoch)
    return model, epoch


def _start(schedule, images, initial):
    """A new model, random or with given weights."""
    import keras

    model = build_keras_model()
    if initial is not None:
        patches, _ = sample((schedule.seed, 2), images, SOURCES_PER_BATCH)
        unfold_layers(model, initial.layers, patches[..., None].astype(np.float32))
    rate = keras.optimizers.schedules.CosineDecay(
        schedule.learning_rate, schedule.epochs * schedule.steps
    )
    model.compile(
        keras.optimizers.Adam(rate),
        loss={"probabilities": "sparse_categorical_crossentropy", "cumulative": "mse"},
        loss_weights={"probabilities": 1.0, "cumulative": RANKED_WEIGHT},
    )
    return model
