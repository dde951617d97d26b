"""Train the network with Keras alone, on any of its backends."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Sequence, Tuple

import numpy as np
from skimage.measure import label

from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import output_folder
from micrograph_networks.images.tiling import pad_to
from micrograph_networks.models.weights_file import Weights, write_weights
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.products import DARKFIELD
from micrograph_networks.training.keras_models import build_keras_model, folded_arrays
from micrograph_networks.training.log import Epoch
from micrograph_networks.training.run import TrainingRun
from segment.annotations.dataset import Sample
from segment.classes import CELLS, NOTHING, PixelClass, class_attributes
from segment.evaluation.scores import Scores, confusion_matrix, scores
from segment.inference.network import LOGITS, encoder_blocks, unet_vgg16, whole_strides
from segment.inference.normalisation import NORMALISATION, normalise
from segment.training import losses, plots
from segment.training.augmentation import draw_batch
from segment.training.backbone import set_backbone
from segment.training.calibration import class_offsets
from segment.training.recipes import Recipe, Stage

PICTURES = 4
"""Validation images of which the outlines are drawn after every epoch."""
SPACING = 4
"""Of the rows and columns of validation images whose pixels calibrate the network."""


@dataclass(frozen=True)
class Parts:
    """Samples to learn from and to choose the best epoch by.

    Attributes
    ----------
    train, validation : list of Sample
    """

    train: List[Sample]
    validation: List[Sample]


def train(
    run: TrainingRun,
    recipe: Recipe,
    parts: Parts,
    backbone: Callable[[], Arrays],
    about: Dict[str, Any],
) -> Path:
    """Train, or go on with a run that was stopped; the weights of the best epoch are kept.

    After every epoch plots and pictures are drawn, and darkfield.h5 is written if the mean IoU of
    the validation images rose.

    Parameters
    ----------
    run : TrainingRun
    recipe : Recipe
        With classes.
    parts : Parts
    backbone : callable
        Gives the arrays of the encoder for :func:`segment.training.backbone.set_backbone`; called
        where a run begins.
    about : dict
        JSON values to keep in the weights file: training data, their licence, command.

    Returns
    -------
    Path
        The weights file.
    """
    about = {**about, **_attributes(recipe, parts)}
    model, done = run.resume({recipe.loss: getattr(losses, recipe.loss)})
    model = model or _start(recipe, backbone())
    plan = _plan(recipe)
    for epoch in range(done, len(plan)):
        stage, begins = plan[epoch]
        if begins or epoch == done:
            steps = _steps(recipe, parts.train)
            optimiser = _optimiser(stage, steps) if begins else model.optimizer
            counts = _compile(model, recipe, stage, optimiser)
        loss = _learn(model, recipe, stage, parts.train, epoch)
        learned = scores(counts.total_cm.numpy())
        pictures = run.folder / "pictures"
        offsets, validated = _validate(model, recipe, parts.validation, pictures, epoch)
        measured = _measured(recipe, epoch, loss, learned, validated)
        _keep_best(run, model, offsets, measured, about)
        run.end_epoch(model, measured)
        plots.draw_training(run.folder, run.epochs, _names(recipe))
    return run.folder / DARKFIELD.weights_file


def cell_diameter(samples: Sequence[Sample], classes: Sequence[PixelClass]) -> float:
    """Median diameter of the cells of the first class of such, or else of the first objects.

    Parameters
    ----------
    samples : list of Sample
    classes : sequence of PixelClass

    Returns
    -------
    float
        Of circles with the area of the connected regions, in pixels at the working scale.

    Raises
    ------
    UserError
        No mask holds the class.
    """
    kinds = [one.kind for one in classes]
    indices = [index for index, kind in enumerate(kinds) if kind != NOTHING]
    index = kinds.index(CELLS) if CELLS in kinds else indices[0]
    areas = [np.bincount(label(sample.mask == index).ravel())[1:] for sample in samples]
    areas = np.concatenate(areas)
    if not areas.size:
        raise UserError(f"No mask of a training image holds {classes[index].name}.")
    return float(2 * np.sqrt(np.median(areas) / np.pi))


def _attributes(recipe: Recipe, parts: Parts) -> Dict[str, Any]:
    return {
        **class_attributes(recipe.classes),
        "working_size": recipe.working_size,
        "cell_diameter": cell_diameter(parts.train, recipe.classes),
        "input_normalisation": NORMALISATION,
        "training_images": len(parts.train),
        "validation_images": len(parts.validation),
        "recipe": asdict(recipe),
    }


def _names(recipe: Recipe) -> List[str]:
    return [one.name for one in recipe.classes]


def _plan(recipe: Recipe) -> List[Tuple[Stage, bool]]:
    """For every epoch its stage, and whether that begins with it."""
    return [(stage, number == 0) for stage in recipe.stages for number in range(stage.epochs)]


def _steps(recipe: Recipe, samples: Sequence[Sample]) -> int:
    """Batches in an epoch."""
    return math.ceil(len(samples) * recipe.crops_per_image / recipe.batch)


def _optimiser(stage: Stage, steps: int) -> Any:
    import keras

    rate = stage.learning_rate
    if stage.falling:
        rate = keras.optimizers.schedules.CosineDecay(
            0.0,
            decay_steps=max(stage.epochs - 1, 1) * steps,
            warmup_target=stage.learning_rate,
            warmup_steps=steps,
        )
    return keras.optimizers.Adam(rate)


def _compile(model: Any, recipe: Recipe, stage: Stage, optimiser: Any) -> Any:
    """Make the model ready for a stage; gives the metric that counts true and predicted classes."""
    import keras

    for number, names in enumerate(encoder_blocks()):
        for name in names:
            model.get_layer(name).trainable = number >= stage.frozen_blocks
    counts = keras.metrics.OneHotMeanIoU(len(recipe.classes), name="mean_iou")
    model.compile(optimiser, loss=getattr(losses, recipe.loss), metrics=[counts])
    return counts


def _learn(
    model: Any, recipe: Recipe, stage: Stage, samples: Sequence[Sample], epoch: int
) -> float:
    """Train for an epoch and give the mean loss."""
    steps = _steps(recipe, samples)
    history = model.fit(
        _batches(recipe, stage, samples, steps, epoch),
        initial_epoch=epoch,
        epochs=epoch + 1,
        steps_per_epoch=steps,
    )
    return history.history["loss"][-1]


def _batches(
    recipe: Recipe, stage: Stage, samples: Sequence[Sample], steps: int, epoch: int
) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    """The batches of an epoch; the same ones however often the run was stopped."""
    rng = np.random.default_rng((recipe.seed, epoch))
    rounds = [rng.permutation(len(samples)) for _ in range(recipe.crops_per_image + 1)]
    places = np.resize(np.concatenate(rounds), steps * recipe.batch).reshape(steps, recipe.batch)
    one_hot = np.eye(len(recipe.classes), dtype=np.float32)
    for step, chosen in enumerate(places):
        seed = f"{recipe.seed} {epoch} {step}"
        images, masks = draw_batch(samples, chosen, stage.crop, recipe.augmentation, seed)
        yield normalise(images.astype(np.float32)), one_hot[masks]


def _validate(
    model: Any, recipe: Recipe, samples: Sequence[Sample], pictures: Path, epoch: int
) -> Tuple[np.ndarray, Scores]:
    """Offsets of the logits, and the scores of whole images; draws the first ones."""
    found = [_predict(model, sample.image) for sample in samples]
    truth = [sample.mask for sample in samples]
    offsets = np.zeros(len(recipe.classes), dtype=np.float32)
    if recipe.calibrated:
        offsets = class_offsets(_thinned(found), _thinned(truth))
    matrix: Any = 0
    for number, (sample, probabilities) in enumerate(zip(samples, found)):
        predicted = (probabilities * np.exp(offsets)).argmax(axis=2).astype(np.uint8)
        matrix = matrix + confusion_matrix(sample.mask, predicted, len(recipe.classes))
        if number < PICTURES:
            name = f"{sample.name.replace('/', '_').rpartition('.')[0]}_{epoch + 1:03}.png"
            plots.compare_outlines(
                output_folder(pictures) / name, sample, predicted, recipe.classes
            )
    return offsets, scores(matrix)


def _thinned(images: Iterable[np.ndarray]) -> np.ndarray:
    """Some pixels of all images, (pixels, ...)."""
    kept = [image[::SPACING, ::SPACING] for image in images]
    return np.concatenate([image.reshape(-1, *image.shape[2:]) for image in kept])


def _predict(model: Any, image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    size = whole_strides(height), whole_strides(width)
    padded = normalise(pad_to(image, size).astype(np.float32))
    return model.predict_on_batch(padded[None])[0, :height, :width]


def _measured(recipe: Recipe, epoch: int, loss: float, learned: Scores, validated: Scores) -> Epoch:
    """What training.csv says of an epoch."""
    measured = {"loss": loss}
    for prefix, found in (("", learned), ("validation_", validated)):
        measured[f"{prefix}mean_iou"] = found.mean_iou
        measured[f"{prefix}mean_dice"] = found.mean_dice
        for index, name in enumerate(_names(recipe)):
            measured[f"{prefix}iou_{name}"] = found.iou[index]
            measured[f"{prefix}dice_{name}"] = found.dice[index]
    return {"epoch": epoch + 1, **{name: float(value) for name, value in measured.items()}}


def _start(recipe: Recipe, backbone: Arrays) -> Any:
    """A new model: the decoder at random, the encoder as it was trained on ImageNet."""
    import keras

    keras.utils.set_random_seed(recipe.seed)
    model = build_keras_model(unet_vgg16(len(recipe.classes)))
    set_backbone(model, backbone)
    return model


def _keep_best(
    run: TrainingRun, model: Any, offsets: np.ndarray, measured: Epoch, about: Dict[str, Any]
) -> None:
    """Write the weights of an epoch if it is the best so far."""
    best = max((epoch["validation_mean_iou"] for epoch in run.epochs), default=-1.0)
    if measured["validation_mean_iou"] <= best:
        return
    network = unet_vgg16(len(offsets))
    arrays = folded_arrays(model, network)
    arrays[LOGITS]["bias"] = arrays[LOGITS]["bias"] + offsets
    attributes = {**about, "epoch": measured, "class_offsets": offsets.tolist()}
    weights = Weights(network.architecture, arrays, attributes)
    write_weights(run.folder / DARKFIELD.weights_file, weights)
