"""Batches of crops of the training images."""

import math
from typing import Iterator, Sequence, Tuple

import numpy as np

from segment.annotations.dataset import Sample
from segment.classes import FILAMENTS
from segment.inference.normalization import normalize
from segment.training.augmentation import draw_crop
from segment.training.recipes import Recipe, Stage

Batch = Tuple[np.ndarray, np.ndarray]
"""Normalized images and one-hot masks, float32, (n, crop, crop, 3) and (n, crop, crop, classes)."""


def batches_per_epoch(recipe: Recipe, samples: Sequence[Sample]) -> int:
    """Return the number of batches in an epoch."""
    return math.ceil(len(samples) * recipe.crops_per_image / recipe.batch)


def epoch_batches(
    recipe: Recipe, stage: Stage, samples: Sequence[Sample], epoch: int
) -> Iterator[Batch]:
    """Draw the batches of an epoch, whose number is part of the seed."""
    rng = np.random.default_rng((recipe.seed, epoch))
    steps = batches_per_epoch(recipe, samples)
    kinds = [one.kind for one in recipe.classes]
    filaments = tuple(index for index, kind in enumerate(kinds) if kind == FILAMENTS)
    holders = [i for i, sample in enumerate(samples) if np.isin(sample.mask, filaments).any()]
    with_filament = round(recipe.batch * recipe.filament_share) if holders else 0
    chosen = _in_turn(rng, range(len(samples)), (steps, recipe.batch))
    chosen[:, :with_filament] = _in_turn(rng, holders, (steps, with_filament))
    one_hot = np.eye(len(kinds), dtype=np.float32)
    for step, indices in enumerate(chosen):
        images, masks = [], []
        for number, index in enumerate(indices):
            wanted = filaments if number < with_filament else ()
            seed = f"{recipe.seed} {epoch} {step} {number}"
            image, mask = draw_crop(samples[index], stage.crop, wanted, seed)
            images.append(image)
            masks.append(mask)
        yield normalize(np.stack(images).astype(np.float32)), one_hot[np.stack(masks)]


def _in_turn(rng: np.random.Generator, items: Sequence[int], shape: Tuple[int, int]) -> np.ndarray:
    """Return an array of all items in random order, then all again in another, and so on."""
    count = math.prod(shape)
    rounds = [rng.permutation(items) for _ in range(0, count, max(len(items), 1))]
    return np.concatenate([np.empty(0, dtype=int), *rounds])[:count].reshape(shape)
