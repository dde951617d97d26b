"""Images and masks that a command reads, and the names of what it writes for each image."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Dict, Iterator, List, Optional, Sequence, Tuple

import click

from micrograph_networks.errors import UserError
from micrograph_networks.files.ownership import is_own, is_result
from micrograph_networks.progress import counted

if TYPE_CHECKING:
    import numpy as np

    from micrograph_networks.images.planes import Plane


@dataclass(frozen=True)
class InputImage:
    """An image that a command reads.

    Attributes
    ----------
    plane : Plane
    stem : str
        Start of the paths of its results in the output folder, such as ``plate1/A01_s1``.
    """

    plane: "Plane"
    stem: str

    def __str__(self) -> str:
        return str(self.plane)

    @property
    def folder(self) -> str:
        """Absolute path of its folder. Symbolic links stay as the user gave them."""
        return os.path.dirname(os.path.abspath(self.plane.path))


def input_images(
    given: Sequence[Path],
    output: Optional[Path] = None,
    mask: Optional[Path] = None,
    takes_results: bool = False,
) -> List[InputImage]:
    """Find images in files, OME-Zarr folders, and folders with their subfolders.

    Pictures of results are skipped, and so is what the running command wrote to its output folder.

    Parameters
    ----------
    given : sequence of Path
    output : Path, optional
        Output folder of the command.
    mask : Path, optional
        Folder of masks, which is not searched.
    takes_results : bool
        Do not skip pictures of results that the user named.

    Returns
    -------
    list of InputImage
        In the order of the paths. A file that does not exist raises UserError when it is read.

    Raises
    ------
    UserError
        No path exists, a folder contains no image, all images are results, or two images would
        have results of the same names.
    """
    from micrograph_networks.images.planes import planes_of

    if not any(map(os.path.exists, given)):
        raise UserError(f"{given[0]} does not exist: check the path.")
    listed = [file for path in given for file in _files_of(path, mask)]
    files = []
    for path, subfolder in listed:
        is_repeated = output is not None and _contains(output, path) and is_own(path)
        if not is_repeated and (takes_results or not is_result(path)):
            files.append((path, subfolder))
    if not files:
        raise UserError(f"{listed[0][0]} was written by these programs: give the image itself.")
    if len(files) < len(listed):
        click.echo(
            f"Skipped {counted(len(listed) - len(files), 'file')} that these programs wrote."
        )
    found = [(plane, subfolder) for path, subfolder in files for plane in planes_of([path])]
    return [InputImage(plane, stem) for (plane, _), stem in zip(found, _stems(found))]


def find_masks(folder: Optional[Path], images: Sequence[InputImage]) -> Optional[Dict[str, Path]]:
    """Find the masks of images, which have their names and are in subfolders like theirs.

    All masks may also be in one folder if no two images have the same name. The planes of a stack
    share a mask, or have one each.

    Parameters
    ----------
    folder : Path, optional
    images : sequence of InputImage

    Returns
    -------
    dict of str to Path, or None
        Masks by the stems of their images; None without a folder.

    Raises
    ------
    UserError
        It is not a folder, contains no image, or two masks differ only in their suffix.
    """
    if folder is None:
        return None
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder of masks: check the path.")
    masks: Dict[str, Path] = {}
    for path, subfolder in _files_of(folder):
        known = masks.setdefault((subfolder / path.stem).as_posix(), path)
        if known != path:
            raise UserError(f"{known} and {path} are masks of the same image: remove one.")
    counts = Counter(path.stem for path in {image.plane.path for image in images})
    found = {}
    for image in images:
        file = image.plane.path.stem
        names = [image.stem, (PurePath(image.stem).parent / file).as_posix()]
        if counts[file] == 1:
            names += [image.plane.stem, file]
        for name in reversed([name for name in names if name in masks]):
            found[image.stem] = masks[name]
    return found


def read_mask(masks: Optional[Dict[str, Path]], image: InputImage) -> "Optional[np.ndarray]":
    """Read the mask of an image.

    Parameters
    ----------
    masks : dict of str to Path, or None
        Result of :func:`find_masks`.
    image : InputImage

    Returns
    -------
    ndarray of bool, (height, width), or None
        True where the mask is not 0 and not NaN.

    Raises
    ------
    UserError
        The image has no mask, or the mask cannot be read.
    """
    from micrograph_networks.images.image_files import read_gray

    if masks is None:
        return None
    if image.stem not in masks:
        raise UserError("It has no mask: give one with the name of the image.")
    mask = read_gray(masks[image.stem])
    return (mask != 0) & (mask == mask)


def _files_of(path: Path, skipped: Optional[Path] = None) -> Iterator[Tuple[Path, Path]]:
    """Yield image files and OME-Zarr folders, and the subfolder of ``path`` that each is in."""
    from micrograph_networks.images.image_files import list_images
    from micrograph_networks.images.ome_zarr import is_ome_zarr

    if not path.is_dir() or is_ome_zarr(path):
        yield path, Path()
        return
    try:
        folders = list(_folders(path, skipped))
        zarrs = [folder for folder in folders if is_ome_zarr(folder)]
        found = list_images([folder for folder in folders if folder not in zarrs])
    except UserError:  # there are no images
        found = []
    except OSError as error:
        raise UserError(
            f"{error.filename} cannot be searched ({error.strerror}): check its permissions."
        ) from error
    if not found and not zarrs:
        raise UserError(f"No PNG or TIFF image is in {path} or its subfolders.")
    for file in sorted([*found, *zarrs]):
        yield file, file.parent.relative_to(path)


def _folders(folder: Path, skipped: Optional[Path]) -> Iterator[Path]:
    """Yield a folder and its subfolders, except those that are hidden or inside of an OME-Zarr."""
    from micrograph_networks.images.ome_zarr import is_ome_zarr

    yield folder
    if is_ome_zarr(folder):
        return
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name.startswith("."):
            continue
        is_skipped = skipped is not None and skipped.exists() and path.samefile(skipped)
        # A link to a folder that contains it would never end.
        if not is_skipped and not _contains(path, folder):
            yield from _folders(path, skipped)


def _contains(folder: Path, path: Path) -> bool:
    """Return True if a path is a folder or in it, through symbolic links, too."""
    real, other = Path(os.path.realpath(folder)), Path(os.path.realpath(path))
    return real == other or real in other.parents


def _stems(found: Sequence[Tuple["Plane", Path]]) -> List[str]:
    """Return the stems of the results of planes in subfolders.

    Planes of equal names in different folders get the paths that tell these folders apart.
    """
    folders = [Path(os.path.abspath(plane.path)).parent.parts for plane, _ in found]
    stems = ["/".join([*folder, plane.stem]) for folder, (plane, _) in zip(folders, found)]
    repeated = _repeated(stems)
    if repeated:
        first, second, *_ = (p for (p, _), stem in zip(found, stems) if stem.casefold() == repeated)
        raise UserError(
            f"{first} and {second} would write the same files: "
            "run the command once for each, with different folders for output."
        )
    short = [(subfolder / plane.stem).as_posix() for plane, subfolder in found]
    if not _repeated(short):
        return short
    common = len(os.path.commonprefix(folders))  # type: ignore[type-var]
    return ["/".join([*folder[common:], plane.stem]) for folder, (plane, _) in zip(folders, found)]


def _repeated(names: Sequence[str]) -> Optional[str]:
    """Return a name that occurs twice. Some file systems do not distinguish capitals."""
    name, count = Counter(name.casefold() for name in names).most_common(1)[0]
    return name if count > 1 else None
