"""Recipes: everything that decides what a network learns from a data set."""

from dataclasses import dataclass, replace
from typing import Optional, Sequence, Tuple

from micrograph_networks.errors import UserError
from segment.classes import NOTHING, PixelClass
from segment.inference.network import FULL, Widths, whole_strides


@dataclass(frozen=True)
class Stage:
    """Part of a training with one learning rate and one set of frozen layers.

    Attributes
    ----------
    epochs : int
        Number of epochs.
    crop : int
        Height and width of the crops in pixels at the working scale, a multiple of 32.
    learning_rate : float
        Learning rate of Adam.
    falling : bool
        If True, the rate rises for one epoch and then falls to 0 along a cosine.
    frozen_blocks : int
        How many of the encoder's five blocks keep their initial weights.
    """

    epochs: int
    crop: int
    learning_rate: float
    falling: bool
    frozen_blocks: int


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a network learns from a data set.

    Attributes
    ----------
    stages : tuple of Stage
        Stages of the training, in order.
    working_size : int
        Longer side of the images in pixels.
    widths : Widths
        Channels of the network.
    averaged_share : float
        Share of the epochs, 0 to 1, whose weights are averaged at the end: the last ones, at least
        one (Izmailov et al. 2018, Averaging weights leads to wider optima and better
        generalization).
    filament_share : float
        Share of the crops of a batch, 0 to 1, that must hold a filament; the others may.
    batch : int
        Crops in a batch.
    crops_per_image : int
        Crops of each image in an epoch.
    classes : tuple of PixelClass
        Classes to learn, in the order of the indices in the masks.
    seed : int
        Seed of the split and of the crops.
    """

    stages: Tuple[Stage, ...]
    working_size: int
    widths: Widths = FULL
    averaged_share: float = 0.25
    filament_share: float = 0.5
    batch: int = 8
    crops_per_image: int = 2
    classes: Tuple[PixelClass, ...] = ()
    seed: int = 0


# The first two blocks detect edges and spots in any image: freezing them saves half of the work.
FULL_RECIPE = Recipe(
    stages=(
        Stage(3, crop=320, learning_rate=1e-3, falling=False, frozen_blocks=5),
        Stage(25, crop=320, learning_rate=3e-4, falling=True, frozen_blocks=2),
    ),
    working_size=640,
)
SMALL_RECIPE = replace(FULL_RECIPE, widths=Widths((32, 80, 160, 320, 320), (160, 80, 48, 32, 16)))
RECIPES = {"small": SMALL_RECIPE, "full": FULL_RECIPE}
"""Recipes of the command line by name, without classes."""


def changed_recipe(
    recipe: Recipe,
    classes: Tuple[PixelClass, ...],
    seed: int = 0,
    epochs: Sequence[int] = (),
    working_size: Optional[int] = None,
    batch: Optional[int] = None,
) -> Recipe:
    """Return a recipe with a user's choices.

    Parameters
    ----------
    recipe : Recipe
    classes : tuple of PixelClass
    seed : int
    epochs : sequence of int
        One number per stage; by default those of the recipe.
    working_size, batch : int, optional
        By default those of the recipe.

    Raises
    ------
    UserError
        The number of epochs does not match the stages, all are 0, there are fewer than two
        different classes, or no class becomes objects.
    """
    if len({one.name for one in classes}) < max(len(classes), 2):
        raise UserError("Give --class for the background and, with other names, for the rest.")
    if all(one.kind == NOTHING for one in classes):
        raise UserError("None of the classes becomes objects: name fewer by --no-objects.")
    epochs = epochs or [stage.epochs for stage in recipe.stages]
    if len(epochs) != len(recipe.stages) or not any(epochs):
        count = len(recipe.stages)
        raise UserError(
            f"The recipe has {count} stages: give --epochs {count} times, in order, not only 0."
        )
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
        classes=classes,
        seed=seed,
    )
