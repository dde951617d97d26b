"""Images and plates of OME-Zarr: NGFF 0.4 (Zarr 2) and 0.5 (Zarr 3)."""

import functools
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import Place, Placed, named_channel, readable

AXES = {"t": "time", "c": "channel", "z": "z"}
"""Names of axes, as NGFF has them, along which images lie."""
SUFFIX = ".zarr"
"""Of the names of OME-Zarr folders; those that lack it are told by what is in them."""
METADATA = (".zattrs", "zarr.json")
"""Files with the metadata, in Zarr 2 and in Zarr 3."""
KIND = "OME-Zarr"
"""For sentences."""


def is_ome_zarr(folder: Path) -> bool:
    """Whether a folder is an OME-Zarr, or ought to be."""
    return folder.suffix.lower() == SUFFIX or any((folder / name).is_file() for name in METADATA)


def images(folder: Path) -> List[Placed]:
    """The images of an OME-Zarr image, series of images, or plate.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Placed
        What cannot be read gives one that says so, at once for a well or a field.

    Raises
    ------
    UserError
        The package zarr is missing, or too old for the format.
    """
    zarr = _import_zarr(folder)

    def opened() -> Any:
        return zarr.open_group(str(folder), mode="r")

    return list(_or_what_is_wrong(folder, {}, lambda: _images_of(folder, opened())))


def _import_zarr(folder: Path) -> Any:
    try:
        import zarr
    except ImportError:
        raise UserError(
            f"{folder} is an OME-Zarr, for which the package zarr is missing: "
            'pip install "zarr>=2.13".'
        ) from None
    if (folder / "zarr.json").is_file() and zarr.__version__.startswith("2."):
        raise UserError(
            f"{folder} is an OME-Zarr 0.5, for which zarr {zarr.__version__} is too old: "
            'pip install "zarr>=3" into Python 3.11 or newer, or export it as OME-Zarr 0.4.'
        )
    return zarr


def _or_what_is_wrong(
    folder: Path, place: Place, found: Callable[[], Iterator[Placed]]
) -> Iterator[Placed]:
    """Images, or one in place of those of which it says what is wrong with them."""
    try:
        with readable(folder, KIND):
            images = list(found())
    except UserError as error:
        images = [(place, functools.partial(_fail, error))]
    yield from images


def _fail(error: UserError) -> np.ndarray:
    raise error


def _metadata(group: Any) -> Dict[str, Any]:
    attributes = dict(group.attrs)
    return attributes.get("ome", attributes)  # in 0.5 they have a name of their own


def _images_of(folder: Path, group: Any) -> Iterator[Placed]:
    metadata = _metadata(group)
    if "plate" in metadata:
        for well in metadata["plate"]["wells"]:
            row, column = well["path"].split("/")
            place = {"well": row + column.zfill(2)}
            fields = functools.partial(_images_of_well, folder, group, well["path"], place)
            yield from _or_what_is_wrong(folder, place, fields)
    elif "bioformats2raw.layout" in metadata:
        for name in sorted(filter(str.isdigit, group.group_keys()), key=int):
            yield from _images_of_field(folder, group, name, {"field": name})
    else:
        yield from _images_of_field(folder, group, "", {})


def _images_of_well(folder: Path, plate: Any, path: str, place: Place) -> Iterator[Placed]:
    for image in _metadata(plate[path])["well"]["images"]:
        field = {**place, "field": image["path"]}
        yield from _images_of_field(folder, plate, f"{path}/{image['path']}", field)


def _images_of_field(folder: Path, group: Any, path: str, place: Place) -> Iterator[Placed]:
    found = functools.partial(_images_of_array, folder, group, path, place)
    yield from _or_what_is_wrong(folder, place, found)


def _images_of_array(folder: Path, group: Any, path: str, place: Place) -> Iterator[Placed]:
    image = group[path] if path else group
    metadata = _metadata(image)
    if "multiscales" not in metadata:
        raise ValueError(f"{path or 'it'} has no multiscales")
    scales = metadata["multiscales"][0]
    array = image[scales["datasets"][0]["path"]]  # the first one is the largest
    if not all(isinstance(axis, dict) for axis in scales["axes"]):
        raise ValueError("it is older than 0.4")
    names = [AXES.get(axis["name"], axis["name"]) for axis in scales["axes"]]
    if names[-2:] != ["y", "x"] or len(names) != array.ndim:
        raise ValueError(f"{path or 'it'} has the axes {', '.join(names)}")
    channels = [c.get("label", "") for c in metadata.get("omero", {}).get("channels", [])]
    for index in np.ndindex(*array.shape[:-2]):
        within = dict(zip(names, index))
        read = functools.partial(_read, folder, array, index)
        yield {**place, **within, **named_channel(within, channels)}, read


def _read(folder: Path, array: Any, index: Any) -> np.ndarray:
    with readable(folder, KIND):
        return np.asarray(array[index])
