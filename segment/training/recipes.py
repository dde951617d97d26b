"""Recipes: all that decides what is learned from a data set."""

from dataclasses import dataclass, replace
from typing import Optional, Sequence, Tuple

from micrograph_networks.errors import UserError
from segment.classes import NOTHING, PixelClass
from segment.inference.network import FULL, Widths, whole_strides


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
        How many of the encoder's five blocks keep the weights that they start with.
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
    widths : Widths
        Of the network.
    averaged_share : float
        Of all epochs, 0 to 1: the last ones, one at least, whose mean weights are kept
        (Izmailov et al. 2018, Averaging weights leads to wider optima and better generalization).
    filament_share : float
        Of the crops of a batch that hold filaments, 0 to 1; the others may as well.
    batch : int
        Crops in a batch.
    crops_per_image : int
        In an epoch.
    classes : tuple of PixelClass
        Those to learn, in the order of the indices in the masks.
    seed : int
        Of the parts and the crops.
    """

    stages: Tuple[Stage, ...]
    working_size: int
    widths: Widths = FULL
    averaged_share: float = 0.1
    filament_share: float = 0.5
    batch: int = 8
    crops_per_image: int = 2
    classes: Tuple[PixelClass, ...] = ()
    seed: int = 0


# The two first blocks see edges and spots, as everywhere: to keep them saves half of the work.
FULL_RECIPE = Recipe(
    stages=(
        Stage(3, crop=320, learning_rate=1e-3, falling=False, frozen_blocks=5),
        Stage(25, crop=320, learning_rate=3e-4, falling=True, frozen_blocks=2),
    ),
    working_size=640,
)
SMALL_RECIPE = replace(FULL_RECIPE, widths=Widths((32, 80, 160, 320, 320), (160, 80, 48, 32, 16)))
RECIPES = {"full": FULL_RECIPE, "small": SMALL_RECIPE}
"""Those of the command line, by name, without classes."""


def changed_recipe(
    recipe: Recipe,
    classes: Tuple[PixelClass, ...],
    seed: int,
    epochs: Sequence[int] = (),
    working_size: Optional[int] = None,
    batch: Optional[int] = None,
) -> Recipe:
    """A recipe with a user's choices.

    Parameters
    ----------
    recipe : Recipe
    classes : tuple of PixelClass
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
        There are not as many numbers of epochs as stages, or fewer than two different classes,
        or none that becomes objects.
    """
    if len({one.name for one in classes}) < max(len(classes), 2):
        raise UserError("Give --class for the background and, with other names, for the rest.")
    if all(one.kind == NOTHING for one in classes):
        raise UserError("None of the classes becomes objects: name fewer by --no-objects.")
    epochs = epochs or [stage.epochs for stage in recipe.stages]
    if len(epochs) != len(recipe.stages):
        count = len(recipe.stages)
        raise UserError(f"The recipe has {count} stages: give --epochs once for each, in order.")
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
