"""Train the network. Uses only Keras, so any Keras backend works."""

import functools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np
from skimage.measure import label

from micrograph_networks.engines import load_functions
from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import output_folder
from micrograph_networks.images.image_files import write_png
from micrograph_networks.images.tiling import pad_to
from micrograph_networks.models.weights_file import Weights, read_weights, write_weights
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Network
from micrograph_networks.training.keras_models import build_keras_model, folded_arrays, set_arrays
from micrograph_networks.training.run import Epoch, TrainingRun
from segment.annotations.dataset import Sample
from segment.classes import CELLS, NOTHING, PixelClass, class_attributes
from segment.evaluation.evaluate import comparison
from segment.evaluation.scores import Scores, confusion_matrix, scores
from segment.inference.dissimilarity import (
    ATTRIBUTE,
    REDUCTION,
    load_textures,
    measure_textures,
    texture_attribute,
    usual_textures,
)
from segment.inference.model import WEIGHTS_FILE
from segment.inference.network import (
    LOGITS,
    NETWORKS,
    encoder,
    encoder_blocks,
    unet_vgg16,
    whole_strides,
    width_attributes,
)
from segment.inference.normalization import NORMALIZATION, normalize
from segment.inference.scaling import resize, scaled_shape
from segment.training.balancing import balance, narrowed
from segment.training.batches import batches_per_epoch, epoch_batches
from segment.training.calibration import calibrated
from segment.training.losses import cross_entropy_and_dice
from segment.training.plots import draw_training
from segment.training.recipes import Recipe, Stage

PICTURES = 4
"""Number of validation images whose outlines are drawn after every epoch."""
EPOCH_WEIGHTS = "epoch_{:04}.h5"
"""Name of the weights file of an epoch that is averaged."""


def train(
    run: TrainingRun,
    recipe: Recipe,
    samples: Sequence[Sample],
    validation: Sequence[Sample],
    start: Arrays,
    about: Dict[str, Any],
) -> Path:
    """Train, or continue a run that was stopped, and write the weights file.

    Plots and pictures are drawn after every epoch. The weights are the mean of those of the last
    epochs, calibrated on the training images.

    Parameters
    ----------
    run : TrainingRun
    recipe : Recipe
        Recipe with classes.
    samples : sequence of Sample
        Samples to learn from.
    validation : sequence of Sample
        Samples to watch the training by; they decide nothing and may be missing.
    start : Arrays
        Arrays to start from: of the whole network, or of VGG16.
    about : dict
        JSON values to store in the weights file: training data, their license, command.

    Returns
    -------
    Path
        Path of the weights file.
    """
    from micrograph_networks.training.step_progress import StepProgress

    about = {**about, **_attributes(recipe, samples), "validation_images": len(validation)}
    model, done = run.resume({cross_entropy_and_dice.__name__: cross_entropy_and_dice})
    model = model or _new_model(recipe, start, samples)
    network, plan = _network(recipe), _plan(recipe)
    averaged = range(len(plan) - max(round(recipe.averaged_share * len(plan)), 1), len(plan))
    steps = batches_per_epoch(recipe, samples)
    progress = StepProgress((len(plan) - done) * steps)
    for epoch in range(done, len(plan)):
        stage, begins = plan[epoch]
        if begins or epoch == done:
            optimizer = _optimizer(stage, steps) if begins else model.optimizer
            counts = _compile(model, recipe, stage, optimizer)
        history = model.fit(
            epoch_batches(recipe, stage, samples, epoch),
            initial_epoch=epoch,
            epochs=epoch + 1,
            steps_per_epoch=steps,
            callbacks=[progress],
            verbose=0,
        )
        measured = {"loss": history.history["loss"][-1]}
        measured.update(_metrics(recipe, "", scores(counts.total_cm.numpy())))
        if validation:
            found = _validate(model, recipe, validation, run.folder / "pictures", epoch)
            measured.update(_metrics(recipe, "validation_", found))
        if epoch in averaged:
            weights = Weights(network.architecture, folded_arrays(model, network), about)
            write_weights(run.folder / EPOCH_WEIGHTS.format(epoch + 1), weights)
        run.end_epoch(model, {"epoch": epoch + 1, **measured})
        draw_training(run.folder, run.epochs, recipe.classes)
        progress.say(f"Epoch {epoch + 1} of {len(plan)}: {_described(measured)}")
    progress.close()
    mean = _mean([run.folder / EPOCH_WEIGHTS.format(epoch + 1) for epoch in averaged])
    compute = load_functions(network, mean.layers)[0]
    path = run.folder / WEIGHTS_FILE
    weights = calibrated(mean, functools.partial(_predict, compute), samples)
    write_weights(path, with_textures(weights, network, samples))
    return path


def with_textures(weights: Weights, network: Network, samples: Sequence[Sample]) -> Weights:
    """Add the textures of the training images to the attributes of their network."""
    measure = load_textures(network, weights.layers)
    textures = [
        measure_textures(resize(one.image, scaled_shape(one.image.shape, REDUCTION)), measure)
        for one in samples
    ]
    value = texture_attribute(usual_textures(np.array(textures)))
    return replace(weights, attributes={**weights.attributes, ATTRIBUTE: value})


def cell_diameter(samples: Sequence[Sample], classes: Sequence[PixelClass]) -> float:
    """Return the median diameter of the cells in the masks.

    These are the objects of the first class of cells or, if there is none, of the first class that
    becomes objects.

    Parameters
    ----------
    samples : list of Sample
    classes : sequence of PixelClass

    Returns
    -------
    float
        Diameter of the circle with the area of a connected region, in pixels at the working scale.

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


def _attributes(recipe: Recipe, samples: Sequence[Sample]) -> Dict[str, Any]:
    return {
        **class_attributes(recipe.classes),
        **width_attributes(recipe.widths),
        "working_size": recipe.working_size,
        "cell_diameter": cell_diameter(samples, recipe.classes),
        "input_normalization": NORMALIZATION,
        "training_images": len(samples),
        "recipe": asdict(recipe),
    }


def _network(recipe: Recipe) -> Network:
    return unet_vgg16(len(recipe.classes), recipe.widths)


def _new_model(recipe: Recipe, start: Arrays, samples: Sequence[Sample]) -> Any:
    """Return a new model with the given arrays; the other ones are random."""
    import keras

    keras.utils.set_random_seed(recipe.seed)
    network = _network(recipe)
    model = build_keras_model(network)
    images, _ = next(epoch_batches(recipe, recipe.stages[0], samples, epoch=0))
    if LOGITS not in start:
        network, start = encoder(network), narrowed(start, recipe.widths, images)
    set_arrays(model, network, balance(start, network, images), images)
    return model


def _plan(recipe: Recipe) -> List[Tuple[Stage, bool]]:
    """Return the stage of every epoch, and True where the stage begins with it."""
    return [(stage, number == 0) for stage in recipe.stages for number in range(stage.epochs)]


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
    """Prepare the model for a stage; return the metric that counts true and predicted classes."""
    import keras

    for number, names in enumerate(encoder_blocks()):
        for name in names:
            model.get_layer(name).trainable = number >= stage.frozen_blocks
    counts = keras.metrics.OneHotMeanIoU(len(recipe.classes), name="mean_iou")
    model.compile(optimizer, loss=cross_entropy_and_dice, metrics=[counts])
    return counts


def _validate(
    model: Any, recipe: Recipe, samples: Sequence[Sample], pictures: Path, epoch: int
) -> Scores:
    """Return the scores of whole images, and draw the outlines of the first ones."""
    matrix: Any = 0
    for number, sample in enumerate(samples):
        predicted = _predict(model.predict_on_batch, sample.image).argmax(axis=2).astype(np.uint8)
        matrix = matrix + confusion_matrix(sample.mask, predicted, len(recipe.classes))
        if number < PICTURES:
            name = f"{sample.name.replace('/', '_').rpartition('.')[0]}_{epoch + 1:03}.png"
            path = output_folder(pictures) / name
            picture = comparison(sample.image, sample.mask, predicted, recipe.classes)
            write_png(path, picture)
    return scores(matrix)


def _predict(compute: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """Return the probabilities of a whole image, (height, width, classes)."""
    height, width = image.shape[:2]
    size = whole_strides(height), whole_strides(width)
    padded = normalize(pad_to(image, size).astype(np.float32))
    return compute(padded[None])[0, :height, :width]


def _metrics(recipe: Recipe, prefix: str, found: Scores) -> Epoch:
    """Return the scores of a part under their names in training.csv."""
    metrics = {"mean_iou": found.mean_iou, "mean_dice": found.mean_dice}
    for index, one in enumerate(recipe.classes):
        metrics[f"iou_{one.in_names}"] = found.iou[index]
        metrics[f"dice_{one.in_names}"] = found.dice[index]
    return {prefix + name: float(value) for name, value in metrics.items()}


def _described(measured: Epoch) -> str:
    """Describe the result of an epoch in a line."""
    part = "validation" if "validation_mean_iou" in measured else "training"
    mean_iou = measured.get("validation_mean_iou", measured["mean_iou"])
    return f"loss {measured['loss']:.3f}; {part} mean IoU {mean_iou:.3f}"


def _mean(files: Sequence[Path]) -> Weights:
    """Return the mean weights of some files."""
    given = [read_weights(file, NETWORKS) for file in files]
    mean = {
        layer: {
            name: np.mean([weights.layers[layer][name] for weights in given], axis=0)
            for name in arrays
        }
        for layer, arrays in given[-1].layers.items()
    }
    return replace(given[-1], layers=mean)
