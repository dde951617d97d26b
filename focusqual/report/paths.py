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


def pictures_of(
    images: Iterable[str], folder: Path, name: str = "focus", levels: Sequence[str] = ("**",)
) -> List[Optional[Path]]:
    """Find the annotated picture of each image in a folder and its subfolders, None if missing.

    'focusqual predict' and the example pipelines write pictures STEM_focus.png; with a suffix,
    STEM_focus_SUFFIX.png and a table focus_SUFFIX.csv. Images with equal file names have pictures
    only if these are in subfolders named like those of the images.

    Parameters
    ----------
    images : iterable of str
        Paths of all images of a table, see :func:`relative_paths`.
    folder : Path
    name : str
        Name of the table without .csv. If no picture ends with it, those with ``focus`` are taken.
    levels : sequence of str
        Wildcard patterns of the subfolders to search; by default all of them.

    Returns
    -------
    list of Path or None
    """
    pictures: Dict[str, List[Path]] = defaultdict(list)
    for ending in (f"_{name}.png", "_focus.png"):
        pattern = f"*{glob.escape(ending)}"
        found = [path for level in levels for path in folder.glob(str(Path(level, pattern)))]
        if found:
            break
    for picture in found:
        pictures[picture.name[: -len(ending)]].append(picture)
    paths = [PurePosixPath(image) for image in images]
    namesakes = Counter(path.name for path in paths)
    shown = []
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
        shown.append(named[0] if len(named) == 1 else None)
    return shown
