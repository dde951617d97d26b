"""Train the network with Keras alone, on any of its backends."""

import functools
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import numpy as np
from skimage.measure import label

from micrograph_networks.engines import load_functions
from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import output_folder
from micrograph_networks.images.tiling import pad_to
from micrograph_networks.models.weights_file import Weights, read_weights, write_weights
from micrograph_networks.networks.layers import Network
from micrograph_networks.training.keras_models import build_keras_model, folded_arrays, set_arrays
from micrograph_networks.training.run import Epoch, TrainingRun
from segment.annotations.dataset import Sample
from segment.classes import CELLS, FILAMENTS, NOTHING, PixelClass, class_attributes
from segment.evaluation.scores import Scores, confusion_matrix, scores
from segment.inference.model import WEIGHTS_FILE
from segment.inference.network import (
    NETWORKS,
    encoder_blocks,
    unet_vgg16,
    whole_strides,
    width_attributes,
)
from segment.inference.normalization import NORMALIZATION, normalize
from segment.training import plots
from segment.training.augmentation import draw_crop
from segment.training.balancing import balance
from segment.training.calibration import calibrated
from segment.training.losses import cross_entropy_and_dice
from segment.training.pruning import prune
from segment.training.recipes import Recipe, Stage
from segment.training.start import Start

PICTURES = 4
"""Validation images of which the outlines are drawn after every epoch."""
PRUNING_BATCHES = 16
"""Of crops, on which a network is made narrower."""
EPOCH_WEIGHTS = "epoch_{:04}.h5"
"""Name of the weights of one of the epochs that are averaged."""


@dataclass(frozen=True)
class Parts:
    """Samples to learn from, and those by which to watch it; they decide nothing.

    Attributes
    ----------
    train, validation : list of Sample
        The second may be empty.
    """

    train: List[Sample]
    validation: List[Sample]


def train(
    run: TrainingRun,
    recipe: Recipe,
    parts: Parts,
    start: Callable[[], Start],
    about: Dict[str, Any],
) -> Path:
    """Train, or go on with a run that was stopped, and write the weights file.

    After every epoch plots and pictures are drawn. The weights are the mean of the last epochs',
    calibrated on the training images; without any epoch they are those of the start, made narrower.

    Parameters
    ----------
    run : TrainingRun
    recipe : Recipe
        With classes.
    parts : Parts
    start : callable
        Gives what to start from; called where a run begins.
    about : dict
        JSON values to keep in the weights file: training data, their license, command.

    Returns
    -------
    Path
        The weights file.
    """
    about = {**about, **_attributes(recipe, parts)}
    model, done = run.resume({cross_entropy_and_dice.__name__: cross_entropy_and_dice})
    model = model or _start(recipe, start(), parts.train)
    plan = _plan(recipe)
    path = run.folder / WEIGHTS_FILE
    if not plan:
        write_weights(path, _weights(model, recipe, about))
        return path
    last = range(len(plan) - max(round(recipe.averaged_share * len(plan)), 1), len(plan))
    for epoch in range(done, len(plan)):
        stage, begins = plan[epoch]
        if begins or epoch == done:
            steps = _steps(recipe, parts.train)
            optimizer = _optimizer(stage, steps) if begins else model.optimizer
            counts = _compile(model, recipe, stage, optimizer)
        loss = _learn(model, recipe, stage, parts.train, epoch)
        measured = {"loss": loss, **_figures(recipe, "", scores(counts.total_cm.numpy()))}
        if parts.validation:
            found = _validate(model, recipe, parts.validation, run.folder / "pictures", epoch)
            measured.update(_figures(recipe, "validation_", found))
        if epoch in last:
            weights = _weights(model, recipe, about)
            write_weights(run.folder / EPOCH_WEIGHTS.format(epoch + 1), weights)
        run.end_epoch(model, {"epoch": epoch + 1, **measured})
        plots.draw_training(run.folder, run.epochs, _names(recipe))
    mean = _mean([run.folder / EPOCH_WEIGHTS.format(epoch + 1) for epoch in last])
    network = _network(recipe)
    compute = load_functions(network, mean.layers)[0]
    predict = functools.partial(_predict, compute)
    write_weights(path, calibrated(mean, predict, parts.train))
    return path


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
        **width_attributes(recipe.widths),
        "working_size": recipe.working_size,
        "cell_diameter": cell_diameter(parts.train, recipe.classes),
        "input_normalization": NORMALIZATION,
        "training_images": len(parts.train),
        "validation_images": len(parts.validation),
        "recipe": asdict(recipe),
    }


def _names(recipe: Recipe) -> List[str]:
    return [one.name for one in recipe.classes]


def _filaments(recipe: Recipe) -> Tuple[int, ...]:
    """Indices of the classes that are filaments."""
    return tuple(index for index, one in enumerate(recipe.classes) if one.kind == FILAMENTS)


def _network(recipe: Recipe) -> Network:
    return unet_vgg16(len(recipe.classes), recipe.widths)


def _plan(recipe: Recipe) -> List[Tuple[Stage, bool]]:
    """For every epoch its stage, and whether that begins with it."""
    return [(stage, number == 0) for stage in recipe.stages for number in range(stage.epochs)]


def _steps(recipe: Recipe, samples: Sequence[Sample]) -> int:
    """Batches in an epoch."""
    return math.ceil(len(samples) * recipe.crops_per_image / recipe.batch)


def _optimizer(stage: Stage, steps: int) -> Any:
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


def _compile(model: Any, recipe: Recipe, stage: Stage, optimizer: Any) -> Any:
    """Make the model ready for a stage; gives the metric that counts true and predicted classes."""
    import keras

    for number, names in enumerate(encoder_blocks()):
        for name in names:
            model.get_layer(name).trainable = number >= stage.frozen_blocks
    counts = keras.metrics.OneHotMeanIoU(len(recipe.classes), name="mean_iou")
    model.compile(optimizer, loss=cross_entropy_and_dice, metrics=[counts])
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
    filaments, one_hot = _filaments(recipe), np.eye(len(recipe.classes), dtype=np.float32)
    holders = [i for i, sample in enumerate(samples) if np.isin(sample.mask, filaments).any()]
    seeking = round(recipe.batch * recipe.filament_share) if holders else 0
    places = _in_turn(rng, range(len(samples)), (steps, recipe.batch))
    places[:, :seeking] = _in_turn(rng, holders, (steps, seeking))
    for step, chosen in enumerate(places):
        drawn = [
            draw_crop(
                samples[place],
                stage.crop,
                filaments if number < seeking else (),
                f"{recipe.seed} {epoch} {step} {number}",
            )
            for number, place in enumerate(chosen)
        ]
        images, masks = zip(*drawn)
        yield normalize(np.stack(images).astype(np.float32)), one_hot[np.stack(masks)]


def _in_turn(rng: np.random.Generator, items: Sequence[int], shape: Tuple[int, int]) -> np.ndarray:
    """All items at random, then all again, and so on, in an array of a shape."""
    count = math.prod(shape)
    rounds = [rng.permutation(items) for _ in range(0, count, max(len(items), 1))]
    return np.concatenate([np.empty(0, dtype=int), *rounds])[:count].reshape(shape)


def _validate(
    model: Any, recipe: Recipe, samples: Sequence[Sample], pictures: Path, epoch: int
) -> Scores:
    """Scores of whole images; draws the first ones."""
    matrix: Any = 0
    for number, sample in enumerate(samples):
        predicted = _predict(model.predict_on_batch, sample.image).argmax(axis=2).astype(np.uint8)
        matrix = matrix + confusion_matrix(sample.mask, predicted, len(recipe.classes))
        if number < PICTURES:
            name = f"{sample.name.replace('/', '_').rpartition('.')[0]}_{epoch + 1:03}.png"
            plots.compare_outlines(
                output_folder(pictures) / name, sample, predicted, recipe.classes
            )
    return scores(matrix)


def _predict(compute: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """Probabilities of a whole image, (height, width, classes)."""
    height, width = image.shape[:2]
    size = whole_strides(height), whole_strides(width)
    padded = normalize(pad_to(image, size).astype(np.float32))
    return compute(padded[None])[0, :height, :width]


def _figures(recipe: Recipe, prefix: str, found: Scores) -> Epoch:
    """What training.csv says of the images of a part."""
    figures = {"mean_iou": found.mean_iou, "mean_dice": found.mean_dice}
    for index, name in enumerate(_names(recipe)):
        figures[f"iou_{name}"] = found.iou[index]
        figures[f"dice_{name}"] = found.dice[index]
    return {prefix + name: float(value) for name, value in figures.items()}


def _start(recipe: Recipe, start: Start, samples: Sequence[Sample]) -> Any:
    """A new model with the trained arrays that it has room for; the others are random."""
    import keras

    keras.utils.set_random_seed(recipe.seed)
    network = _network(recipe)
    model = build_keras_model(network)
    trained = replace(network, layers=network.layers[: len(start.network.layers)])
    draw = functools.partial(_crops, recipe, samples)
    arrays = prune(start.arrays, start.network, trained, lambda: draw(PRUNING_BATCHES))
    images = draw(1)
    set_arrays(model, trained, balance(arrays, trained, images), images)
    return model


def _crops(recipe: Recipe, samples: Sequence[Sample], batches: int) -> np.ndarray:
    """The images of a run's first batches."""
    drawn = _batches(recipe, recipe.stages[0], samples, batches, epoch=0)
    return np.concatenate([images for images, _ in drawn])


def _weights(model: Any, recipe: Recipe, about: Dict[str, Any]) -> Weights:
    network = _network(recipe)
    return Weights(network.architecture, folded_arrays(model, network), about)


def _mean(files: Sequence[Path]) -> Weights:
    """The mean weights of some epochs."""
    given = [read_weights(file, NETWORKS) for file in files]
    mean = {
        layer: {
            name: np.mean([weights.layers[layer][name] for weights in given], axis=0)
            for name in arrays
        }
        for layer, arrays in given[-1].layers.items()
    }
    return replace(given[-1], layers=mean)
