"""Bank of slides on disk: specimens and their light at many depths, drawn once for all trainings.

Specimen and blur are drawn when the bank is written. Depth, crop, camera and processing are drawn
at training time, by :mod:`focusqual.training.sampling`.
"""

import functools
import hashlib
import inspect
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import List

import numpy as np
from tqdm import tqdm

from focusqual.simulation import defocus, microscopes, scenes
from focusqual.training import sampling
from focusqual.training.processes import processes
from focusqual.training.sampling import (
    BEYOND,
    BLANK,
    FIELD,
    MARGIN,
    DrawnSlide,
    Slide,
    Sources,
    blank_specimen,
    random_slide,
)
from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import atomic_write, output_folder

SHIFT = 16
"""Pixels by which a crop may be shifted."""
BORDER = MARGIN - SHIFT // 2
"""Pixels cut off at each border of the field, where the blur wraps around."""
DEPTHS = np.concatenate([np.arange(0, 10, 0.25), np.arange(10, BEYOND + 0.5, 0.5)])
"""Depths in levels. Their steps are the smaller, the smaller the relative change of the blur."""
SIDE = FIELD - 2 * BORDER
SLIDE = np.dtype(
    [
        ("transmitted", np.bool_),
        ("varied", np.bool_),
        ("lights", np.float16, (len(DEPTHS), SIDE, SIDE)),
    ]
)
"""A slide in its file, 3.6 MB: see :class:`focusqual.training.sampling.Slide`."""
RECIPE = "recipe.sha256"
"""Name of the file with the hash of the recipe."""


class BankedSlide(Slide):
    """A slide whose light was computed before; every crop is shifted, turned and mirrored.

    Parameters
    ----------
    record : ndarray of SLIDE, (1,)
    """

    def __init__(self, record: np.ndarray) -> None:
        self.transmitted, self.blank = bool(record["transmitted"][0]), False
        self.varied, self._lights = bool(record["varied"][0]), record["lights"][0]

    def light(self, rng: np.random.Generator, depth: float) -> np.ndarray:
        """Return the light at the nearest depth of the bank: see :meth:`Slide.light`."""
        whole = self._lights[np.abs(DEPTHS - depth).argmin()]
        top, left = rng.integers(SHIFT + 1, size=2)
        size = SIDE - SHIFT
        light = np.rot90(whole[top : top + size, left : left + size], rng.integers(4))
        return (light.T if rng.uniform() < 0.5 else light).astype(np.float32)


@dataclass(frozen=True)
class Bank:
    """A folder of slides that show something.

    Attributes
    ----------
    folder : Path
    slides : int
        Number of slides, of which the first ones in the folder are used.
    """

    folder: Path
    slides: int

    def path(self, number: int) -> Path:
        """Return the path of a slide."""
        return self.folder / f"slide_{number:05}.npy"

    def draw(self, rng: np.random.Generator) -> Slide:
        """Draw a slide, which is blank as often as in training without a bank."""
        if rng.uniform() < BLANK:
            return DrawnSlide(blank_specimen(rng), microscopes.Microscope(), varied=True)
        path = self.path(int(rng.integers(self.slides)))
        return BankedSlide(np.load(path, mmap_mode="r"))

    def missing(self) -> List[int]:
        """Return the numbers of the slides that are missing or cut off."""
        paths = map(self.path, range(self.slides))
        sizes = [path.stat().st_size if path.exists() else 0 for path in paths]
        return [number for number, size in enumerate(sizes) if size <= SLIDE.itemsize]

    def write(self, sources: Sources, seed: int, number: int) -> None:
        """Draw a slide, which does not depend on the others, and write it."""
        rng = np.random.default_rng((seed, 3, number))
        slide = random_slide(rng, sources, blanks=False)
        record = np.zeros(1, SLIDE)
        record["transmitted"], record["varied"] = slide.transmitted, slide.varied
        for light, depth in zip(record["lights"][0], DEPTHS):
            light[...] = slide.field(rng, depth)[BORDER:-BORDER, BORDER:-BORDER]
        with atomic_write(self.path(number)) as temporary:
            np.save(temporary, record)


def open_bank(folder: Path, slides: int, sources: Sources, seed: int) -> Bank:
    """Open the folder of a bank: new, partly written or complete.

    Parameters
    ----------
    folder : Path
    slides : int
        Number of slides. The folder may have more.
    sources : list of list of ndarray
        See :func:`focusqual.training.sampling.random_slide`.
    seed : int

    Raises
    ------
    UserError
        The folder has a bank with another recipe, or other files, or is not writable.
    """
    _check_recipe(output_folder(folder), _recipe_hash(sources, seed))
    return Bank(folder, slides)


def fill_bank(bank: Bank, sources: Sources, seed: int, workers: int) -> None:
    """Write the slides that a bank lacks, in several processes.

    Parameters
    ----------
    bank : Bank
    sources, seed
        As in :func:`open_bank`.
    workers : int
        Number of processes.
    """
    missing = bank.missing()
    if missing:
        with processes(workers, functools.partial(bank.write, sources, seed)) as each:
            for _ in tqdm(each(missing), "Bank", len(missing), unit="slide", disable=None):
                pass


def _recipe_hash(sources: Sources, seed: int) -> str:
    """Return a hash of what determines the slides: images, seed and the code that draws them."""
    found = hashlib.sha256(f"{seed} {SLIDE} {DEPTHS}".encode())
    for module in (sampling, scenes, microscopes, defocus):
        found.update(inspect.getsource(module).encode())
    for image in itertools.chain.from_iterable(sources):
        found.update(str(image.shape).encode() + np.ascontiguousarray(image).tobytes())
    return found.hexdigest()


def _check_recipe(folder: Path, recipe: str) -> None:
    path = folder / RECIPE
    if path.exists():
        if path.read_bytes() != recipe.encode():
            raise UserError(
                f"{path} is of a bank of other images, another seed or another version of "
                "focusqual: choose another folder as --bank."
            )
    elif any(not other.name.startswith(".") for other in folder.iterdir()):
        raise UserError(f"{folder} contains files that are not of a bank: choose an empty folder.")
    else:
        with atomic_write(path) as temporary:
            temporary.write_bytes(recipe.encode())
