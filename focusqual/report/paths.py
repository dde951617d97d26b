"""Paths of images, which tell images with equal file names apart, and of their pictures."""

import glob
import os
from collections import Counter, defaultdict
from pathlib import Path, PurePosixPath
from typing import Dict, Iterable, List, Optional, Sequence


def relative_paths(folders: Iterable[str], names: Iterable[str]) -> List[str]:
    """Return the paths of images relative to the folder that contains all of them.

    Parameters
    ----------
    folders : iterable of str
        Folder of each image, of any system.
    names : iterable of str
        File name of each image.

    Returns
    -------
    list of str
        With ``/`` between folders; bare file names if all images are in one folder.
    """
    parts = [folder.replace("\\", "/").rstrip("/").split("/") for folder in folders]
    common = len(os.path.commonprefix(parts))  # type: ignore[arg-type]
    return ["/".join([*folder[common:], name]) for folder, name in zip(parts, names)]


def pictures_of(images: Sequence[str], folder: Path, name: str = "focus") -> List[Optional[Path]]:
    """Find the annotated picture of each image in a folder and its subfolders, None if missing.

    'focusqual predict' and the example pipelines write pictures STEM_focus.png; with a suffix,
    STEM_focus_SUFFIX.png and a table focus_SUFFIX.csv. Images with equal file names have pictures
    only if these are in subfolders named like those of the images.

    Parameters
    ----------
    images : sequence of str
        Paths of all images of a table, see :func:`relative_paths`.
    folder : Path
    name : str
        Name of the table without .csv. If no picture ends with it, those with ``focus`` are taken.

    Returns
    -------
    list of Path or None
    """
    pictures: Dict[str, List[Path]] = defaultdict(list)
    ending = f"_{name}.png"
    if not any(folder.rglob(f"*{glob.escape(ending)}")):
        ending = "_focus.png"
    for picture in folder.rglob(f"*{glob.escape(ending)}"):
        pictures[picture.name[: -len(ending)]].append(picture)
    paths = [PurePosixPath(image) for image in images]
    namesakes = Counter(path.name for path in paths)
    found = []
    for path in paths:
        # Names of images in stacks and plates have no suffix.
        named = pictures.get(path.name) or pictures.get(path.stem, [])
        parents = path.parent.parts
        if len(named) > 1 or namesakes[path.name] > 1:
            named = [
                picture
                for picture in named
                if picture.relative_to(folder).parent.parts[-len(parents) :] == parents
            ]
        found.append(named[0] if len(named) == 1 else None)
    return found
