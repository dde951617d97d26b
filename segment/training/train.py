"""Train the network with Keras alone, on any of its backends."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Optional

import numpy as np
from skimage.measure import label

from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import output_folder, whole_file
from micrograph_networks.images.tiling import pad_to
from micrograph_networks.models.weights_file import Weights, write_weights
from micrograph_networks.training.log import append_row, read_log, rewind
from segment.classes import BLOOD_CELL, CLASSES
from segment.evaluation.scores import confusion_matrix, scores
from segment.inference.network import (
    ARCHITECTURE,
    LAST,
    build_keras_model,
    encoder_layers,
    fold_layers,
    set_backbone,
    whole_strides,
)
from segment.inference.normalisation import NORMALISATION, normalise
from segment.training import losses, plots
from segment.training.augmentation import draw_batch
from segment.training.calibration import class_offsets

LOG = "training.csv"
CHECKPOINT = "checkpoint_{}.keras"
"""With the number of epochs that it has learned."""
WEIGHTS = "darkfield.h5"
PICTURES = 4
"""Validation images of which the outlines are drawn after every epoch."""
SPACING = 4
"""Of the rows and columns of validation images whose pixels calibrate the network."""


@dataclass(frozen=True)
class Stage:
    """A part of the training with one learning rate and one set of frozen layers.

    Attributes
    ----------
    epochs : int
    crop : int
        Height and width of the crops in pixels at the working scale, a multiple of 32.
    learning_rate : float
        Of Adam.
    falling : bool
        Whether the rate rises for an epoch and then falls to 0 along a cosine.
    frozen_blocks : int
        How many of the encoder's five blocks keep their ImageNet weights.
    """

    epochs: int
    crop: int
    learning_rate: float
    falling: bool
    frozen_blocks: int


@dataclass(frozen=True)
class Recipe:
    """All that decides what is learned from a data set.

    Attributes
    ----------
    stages : tuple of Stage
    working_size : int
        Longer side of the images in pixels.
    square : bool
        Whether images are stretched to squares.
    batch : int
        Crops in a batch.
    crops_per_image : int
        In an epoch.
    augmentation : bool
    loss : str
        A function of :mod:`segment.training.losses`.
    calibrated : bool
        Whether :mod:`segment.training.calibration` shifts the logits, by the validation images.
    classes : tuple of str, optional
        Those to learn; pixels of others count as the first. All by default.
    seed : int
        Of the parts and the crops.
    """

    stages: tuple
    working_size: int
    square: bool
    batch: int
    crops_per_image: int
    augmentation: bool
    loss: str
    calibrated: bool
    classes: Optional[tuple] = None
    seed: int = 0


RECIPES = {
    # The two first blocks see edges and spots, as everywhere: to keep them saves half of the work.
    # A rate that has fallen starts anew, lower (Loshchilov and Hutter 2017, SGDR, section 3).
    "default": Recipe(
        stages=(
            Stage(6, crop=320, learning_rate=1e-3, falling=False, frozen_blocks=5),
            Stage(39, crop=384, learning_rate=1e-4, falling=True, frozen_blocks=2),
            Stage(14, crop=384, learning_rate=5e-5, falling=True, frozen_blocks=2),
        ),
        working_size=640,
        square=False,
        batch=8,
        crops_per_image=2,
        augmentation=True,
        loss="cross_entropy_and_dice",
        calibrated=True,
    ),
    # What PerceptiLabs's use case states: epochs, batch, Adam's rate, loss, blood cells only. That
    # images were stretched to 224x224, without augmentation, and no layer frozen is assumed.
    "perceptilabs": Recipe(
        stages=(Stage(10, crop=224, learning_rate=1e-3, falling=False, frozen_blocks=0),),
        working_size=224,
        square=True,
        batch=32,
        crops_per_image=1,
        augmentation=False,
        loss="dice",
        calibrated=False,
        classes=CLASSES[: BLOOD_CELL + 1],
    ),
}


@dataclass(frozen=True)
class Parts:
    """Samples to learn from and to choose the best epoch by.

    Attributes
    ----------
    train, validation : list of Sample
    """

    train: list
    validation: list


def train(folder, recipe, parts, backbone, about):
    """Train, or go on with a run that was stopped; the weights of the best epoch are kept.

    After every epoch a row is added to training.csv, plots and pictures are drawn, darkfield.h5 is
    written if the mean IoU of the validation images rose, and a checkpoint is written, from which
    a run that was stopped goes on.

    Parameters
    ----------
    folder : Path
        Of the run.
    recipe : Recipe
        With classes.
    parts : Parts
    backbone : callable
        Gives the layers of the encoder for :func:`segment.inference.network.set_backbone`; called
        where a run begins.
    about : dict
        JSON values to keep in the weights file: training data, their licence, command.

    Returns
    -------
    Path
        The weights file.
    """
    about = {**about, **_attributes(recipe, parts)}
    model, done = _resume(folder, recipe)
    if model is None:
        model = _start(recipe, backbone())
    plan = _plan(recipe)
    for epoch in range(done, len(plan)):
        stage, begins = plan[epoch]
        if begins or epoch == done:
            steps = _steps(recipe, parts.train)
            optimiser = _optimiser(stage, steps) if begins else model.optimizer
            counts = _compile(model, recipe, stage, optimiser)
        loss = _learn(model, recipe, stage, parts.train, epoch)
        learned = scores(counts.total_cm.numpy())
        offsets, validated = _validate(model, recipe, parts.validation, folder / "pictures", epoch)
        row = _row(recipe, epoch, loss, learned, validated)
        _keep(folder, model, offsets, row, about)
        plots.training_curves(folder, read_log(folder / LOG), recipe.classes)
    return folder / WEIGHTS


def changed_recipe(recipe, classes, seed, epochs=(), working_size=None, batch=None):
    """A recipe with a user's choices.

    Parameters
    ----------
    recipe : Recipe
    classes : tuple of str
        Used where the recipe names none.
    seed : int
    epochs : sequence of int
        One a stage; the recipe's own where it is empty.
    working_size, batch : int, optional
        The recipe's own by default.

    Returns
    -------
    Recipe

    Raises
    ------
    UserError
        There are not as many numbers of epochs as stages, or fewer than two different classes.
    """
    if len(set(classes)) < max(len(classes), 2):
        raise UserError("Give --class for the background and, with other names, for the rest.")
    epochs = epochs or [stage.epochs for stage in recipe.stages]
    if len(epochs) != len(recipe.stages):
        raise UserError(f"The recipe has {len(recipe.stages)} stages: give --epochs once for each.")
    size = working_size or recipe.working_size
    largest = whole_strides(size)
    stages = tuple(
        replace(stage, epochs=count, crop=min(stage.crop, largest))
        for stage, count in zip(recipe.stages, epochs)
    )
    return replace(
        recipe,
        stages=stages,
        working_size=size,
        batch=batch or recipe.batch,
        classes=recipe.classes or classes,
        seed=seed,
    )


def cell_diameter(samples, class_names):
    """Median diameter of the blood cells, or of the first class where there is none of this name.

    Parameters
    ----------
    samples : list of Sample
    class_names : sequence of str

    Returns
    -------
    float
        Of circles with the area of the connected regions, in pixels at the working scale.

    Raises
    ------
    UserError
        No mask holds the class.
    """
    name = CLASSES[BLOOD_CELL]
    index = class_names.index(name) if name in class_names else 1
    areas = [np.bincount(label(sample.mask == index).ravel())[1:] for sample in samples]
    areas = np.concatenate(areas)
    if not areas.size:
        raise UserError(f"No mask of a training image holds {class_names[index]}.")
    return float(2 * np.sqrt(np.median(areas) / np.pi))


def _attributes(recipe, parts):
    return {
        "class_names": recipe.classes,
        "working_size": recipe.working_size,
        "cell_diameter": cell_diameter(parts.train, recipe.classes),
        "input_normalisation": NORMALISATION,
        "training_images": len(parts.train),
        "validation_images": len(parts.validation),
        "recipe": asdict(recipe),
    }


def _plan(recipe):
    """For every epoch its stage, and whether that begins with it."""
    return [(stage, number == 0) for stage in recipe.stages for number in range(stage.epochs)]


def _steps(recipe, samples):
    """Batches in an epoch."""
    return math.ceil(len(samples) * recipe.crops_per_image / recipe.batch)


def _optimiser(stage, steps):
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


def _compile(model, recipe, stage, optimiser):
    """Make the model ready for a stage; gives the metric that counts true and predicted classes."""
    import keras

    for number, names in enumerate(encoder_layers()):
        for name in names:
            model.get_layer(name).trainable = number >= stage.frozen_blocks
    counts = keras.metrics.OneHotMeanIoU(len(recipe.classes), name="mean_iou")
    model.compile(optimiser, loss=getattr(losses, recipe.loss), metrics=[counts])
    return counts


def _learn(model, recipe, stage, samples, epoch):
    """Train for an epoch and give the mean loss."""
    steps = _steps(recipe, samples)
    history = model.fit(
        _batches(recipe, stage, samples, steps, epoch),
        initial_epoch=epoch,
        epochs=epoch + 1,
        steps_per_epoch=steps,
    )
    return history.history["loss"][-1]


def _batches(recipe, stage, samples, steps, epoch):
    """The batches of an epoch; the same ones however often the run was stopped."""
    rng = np.random.default_rng((recipe.seed, epoch))
    rounds = [rng.permutation(len(samples)) for _ in range(recipe.crops_per_image + 1)]
    places = np.resize(np.concatenate(rounds), steps * recipe.batch).reshape(steps, recipe.batch)
    one_hot = np.eye(len(recipe.classes), dtype=np.float32)
    for step, chosen in enumerate(places):
        seed = f"{recipe.seed} {epoch} {step}"
        images, masks = draw_batch(samples, chosen, stage.crop, recipe.augmentation, seed)
        yield normalise(images.astype(np.float32)), one_hot[masks]


def _validate(model, recipe, samples, pictures, epoch):
    """Offsets of the logits, and the scores of whole images; draws the first ones."""
    found = [_predict(model, sample.image) for sample in samples]
    truth = [sample.mask for sample in samples]
    offsets = np.zeros(len(recipe.classes), dtype=np.float32)
    if recipe.calibrated:
        offsets = class_offsets(_thinned(found), _thinned(truth))
    matrix = 0
    for number, (sample, probabilities) in enumerate(zip(samples, found)):
        predicted = (probabilities * np.exp(offsets)).argmax(axis=2).astype(np.uint8)
        matrix = matrix + confusion_matrix(sample.mask, predicted, len(recipe.classes))
        if number < PICTURES:
            name = f"{sample.name.replace('/', '_').rpartition('.')[0]}_{epoch + 1:03}.png"
            plots.compare_outlines(output_folder(pictures) / name, sample, predicted)
    return offsets, scores(matrix)


def _thinned(images):
    """Some pixels of all images, (pixels, ...)."""
    kept = [image[::SPACING, ::SPACING] for image in images]
    return np.concatenate([image.reshape(-1, *image.shape[2:]) for image in kept])


def _predict(model, image):
    height, width = image.shape[:2]
    size = whole_strides(height), whole_strides(width)
    padded = normalise(pad_to(image, size).astype(np.float32))
    return model.predict_on_batch(padded[None])[0, :height, :width]


def _row(recipe, epoch, loss, learned, validated):
    """A row of training.csv."""
    row = {"epoch": epoch + 1, "loss": loss}
    for prefix, found in (("", learned), ("validation_", validated)):
        row[f"{prefix}mean_iou"], row[f"{prefix}mean_dice"] = found.mean_iou, found.mean_dice
        for index, name in enumerate(recipe.classes):
            row[f"{prefix}iou_{name}"] = found.iou[index]
            row[f"{prefix}dice_{name}"] = found.dice[index]
    return {name: float(value) for name, value in row.items()}


def _start(recipe, backbone):
    """A new model: the decoder at random, the encoder as it was trained on ImageNet."""
    import keras

    keras.utils.set_random_seed(recipe.seed)
    model = build_keras_model(len(recipe.classes))
    set_backbone(model, backbone)
    return model


def _resume(folder, recipe):
    """The model of the last checkpoint, None where there is none, and its number of epochs."""
    import keras

    checkpoints = sorted(folder.glob(CHECKPOINT.format("*")))
    if not checkpoints:
        rewind(folder / LOG, 0)
        return None, 0
    loss = getattr(losses, recipe.loss)
    model = keras.models.load_model(checkpoints[-1], custom_objects={recipe.loss: loss})
    done = int(checkpoints[-1].stem.rpartition("_")[2])
    rewind(folder / LOG, done)
    return model, done


def _keep(folder, model, offsets, row, about):
    """Log an epoch, write its weights if it is the best so far, and a checkpoint."""
    best = max((r["validation_mean_iou"] for r in read_log(folder / LOG)), default=-1.0)
    append_row(folder / LOG, row)
    if row["validation_mean_iou"] > best:
        layers = fold_layers(model)
        layers[LAST]["bias"] = layers[LAST]["bias"] + offsets
        attributes = {**about, "epoch": row, "class_offsets": offsets.tolist()}
        write_weights(folder / WEIGHTS, Weights(ARCHITECTURE, layers, attributes))
    earlier = list(folder.glob(CHECKPOINT.format("*")))
    with whole_file(folder / CHECKPOINT.format(f"{row['epoch']:04.0f}")) as temporary:
        model.save(temporary)
    for path in earlier:
        path.unlink()
