"""Bank of slides on disk, drawn once for all trainings.

Half of its files are the light of specimens at many depths; depth, crop, camera and turn are drawn
at training time. The other half are finished patches of pictures that were resampled or processed,
which takes long; they are only turned.
"""

import functools
import hashlib
import inspect
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

import numpy as np

from focusqual.inference.patches import PATCH_SIZE
from focusqual.simulation import camera, defocus, denoising, microscopes, processing, scenes
from focusqual.training import sampling, slides
from focusqual.training.processes import processes
from focusqual.training.sampling import BEYOND, DEPTHS_PER_SLIDE, Patches, draw_patches
from focusqual.training.slides import FIELD, MARGIN, Light, Sources
from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import atomic_write, output_folder
from micrograph_networks.progress import follow

SHIFT = 16
"""Pixels by which a crop may be shifted."""
BORDER = MARGIN - SHIFT // 2
"""Pixels cut off at each border of the field, where the blur wraps around."""
DEPTHS = np.concatenate([np.arange(0, 10, 0.25), np.arange(10, BEYOND + 0.5, 0.5)])
"""Depths in levels. Their steps are the smaller, the smaller the relative change of the blur."""
STORED = FIELD - 2 * BORDER
"""Height and width of the stored light."""
LIGHT = np.dtype(
    [
        ("transmitted", np.bool_),
        ("resolution", np.float32),
        ("lights", np.float16, (len(DEPTHS), STORED, STORED)),
    ]
)
"""A file of light, 3.6 MB: see :class:`focusqual.training.slides.Light`."""
ALTERED = np.dtype(
    [
        ("patches", np.float16, (4 * DEPTHS_PER_SLIDE, PATCH_SIZE, PATCH_SIZE)),
        ("levels", np.int64, (4 * DEPTHS_PER_SLIDE,)),
    ]
)
"""A file of patches, 0.3 MB: see :func:`focusqual.training.sampling.altered_patches`."""
FILES = {"light": LIGHT, "altered": ALTERED}
"""Contents of the files by the first part of their names; there are as many of either."""
RECIPE = "recipe.sha256"
"""Name of the file with the hash of the recipe."""
MODULES = (sampling, slides, scenes, microscopes, defocus, camera, processing, denoising)
"""Modules that determine the files."""


class BankedLight(Light):
    """Light that was computed before; every crop is shifted, turned and mirrored.

    Parameters
    ----------
    record : ndarray of LIGHT, ()
    """

    def __init__(self, record: np.ndarray) -> None:
        self.transmitted = bool(record["transmitted"])
        self.resolution = float(record["resolution"])
        self._lights = record["lights"]

    def light(self, rng: np.random.Generator, depth: float) -> np.ndarray:
        """Return the light at the nearest depth of the bank: see :meth:`Light.light`."""
        whole = self._lights[np.abs(DEPTHS - depth).argmin()]
        top, left = rng.integers(SHIFT + 1, size=2)
        size = STORED - SHIFT
        crop = whole[top : top + size, left : left + size].astype(np.float32)
        return np.ascontiguousarray(turn(rng, crop))


def turn(rng: np.random.Generator, images: np.ndarray) -> np.ndarray:
    """Turn and mirror images, (..., size, size), all in the same way."""
    transposed, down, right = rng.integers(2, size=3)
    turned = images.swapaxes(-1, -2) if transposed else images
    return turned[..., :: 1 - 2 * down, :: 1 - 2 * right]


@dataclass(frozen=True)
class Bank:
    """A folder of slides.

    Attributes
    ----------
    folder : Path
    slides : int
        Number of files of light and of altered patches, of which the first ones are used.
    """

    folder: Path
    slides: int

    def path(self, kind: str, number: int) -> Path:
        """Return the path of a file; the kind is one of FILES."""
        return self.folder / f"{kind}_{number:05}.bin"

    def draw(self, rng: np.random.Generator) -> Patches:
        """Draw the patches of a slide: see :func:`focusqual.training.sampling.draw_patches`."""
        return draw_patches(rng, self._altered, self._light)

    def missing(self) -> List[Tuple[str, int]]:
        """Return kind and number of the files that are missing or cut off."""
        return [
            (kind, number)
            for number in range(self.slides)
            for kind, content in FILES.items()
            if _size(self.path(kind, number)) != content.itemsize
        ]

    def write(self, sources: Sources, seed: int, file: Tuple[str, int]) -> None:
        """Draw and write a file, given by kind and number, which does not depend on others."""
        kind, number = file
        rng = np.random.default_rng((seed, list(FILES).index(kind) + 3, number))
        draw = _draw_light if kind == "light" else _draw_altered
        with atomic_write(self.path(*file)) as temporary:
            draw(rng, sources).tofile(temporary)

    def _altered(self, rng: np.random.Generator) -> Patches:
        record = self._read(rng, "altered")
        return turn(rng, record["patches"]), record["levels"]

    def _light(self, rng: np.random.Generator) -> BankedLight:
        return BankedLight(self._read(rng, "light"))

    def _read(self, rng: np.random.Generator, kind: str) -> np.ndarray:
        path = self.path(kind, int(rng.integers(self.slides)))
        # The subclass makes every later step slower.
        return np.asarray(np.memmap(path, FILES[kind], "r", shape=()))


def open_bank(folder: Path, slides: int, sources: Sources, seed: int) -> Bank:
    """Open the folder of a bank: new, partly written or complete.

    Parameters
    ----------
    folder : Path
    slides : int
        Number of slides. The folder may have more.
    sources : list of list of ndarray
        See :data:`focusqual.training.slides.Sources`.
    seed : int

    Raises
    ------
    UserError
        The folder has a bank with another recipe, or other files, or is not writable.
    """
    _check_recipe(output_folder(folder), _recipe_hash(sources, seed))
    return Bank(folder, slides)


def fill_bank(bank: Bank, sources: Sources, seed: int, workers: int) -> None:
    """Write the files that a bank lacks, in several processes.

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
            for _ in follow(each(missing), "file", len(missing)):
                pass


def _draw_light(rng: np.random.Generator, sources: Sources) -> np.ndarray:
    slide = sampling.unaltered_slide(rng, sources)
    record = np.zeros((), LIGHT)
    record["transmitted"], record["resolution"] = slide.transmitted, slide.resolution
    for light, depth in zip(record["lights"], DEPTHS):
        light[...] = slide.field(rng, depth)[BORDER:-BORDER, BORDER:-BORDER]
    return record


def _draw_altered(rng: np.random.Generator, sources: Sources) -> np.ndarray:
    record = np.zeros((), ALTERED)
    record["patches"], record["levels"] = sampling.altered_patches(rng, sources)
    return record


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def _recipe_hash(sources: Sources, seed: int) -> str:
    """Return a hash of what determines the files: images, seed and the code that draws them."""
    found = hashlib.sha256(f"{seed} {FILES} {DEPTHS}".encode())
    for module in MODULES:
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
