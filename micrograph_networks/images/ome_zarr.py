"""Images and plates in OME-Zarr: NGFF 0.4 (Zarr 2) and 0.5 (Zarr 3)."""

import contextlib
import functools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.images.acquisition import (
    Acquisition,
    acquisition,
    merge,
    micrometers,
    pixel_size,
)
from micrograph_networks.images.limits import check_planes, explain_read_errors
from micrograph_networks.images.ome_xml import OmeImage, ome_images, parse_xml
from micrograph_networks.images.positions import (
    Position,
    PositionedImage,
    unreadable_image,
    with_channel_name,
)
from micrograph_networks.images.zarr_folders import (
    check_name,
    read_array,
    read_attributes,
    read_text,
)

AXES = {"t": "timepoint", "c": "channel", "z": "z"}
"""Position columns of NGFF's axes."""
SUFFIX = ".zarr"
"""Usual suffix of OME-Zarr folders."""
METADATA = (".zattrs", "zarr.json")
"""Names of the metadata files of Zarr 2 and Zarr 3."""
KIND = "OME-Zarr"
"""Name of the format in messages."""


def is_ome_zarr(folder: Path) -> bool:
    """Return True if the folder is, or claims to be, an OME-Zarr."""
    return folder.suffix.lower() == SUFFIX or any((folder / name).is_file() for name in METADATA)


def find_images(folder: Path) -> List[PositionedImage]:
    """Find the planes of an OME-Zarr image, series of images, or plate.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of PositionedImage
        A well or field that cannot be read is one plane, which raises UserError when it is read.

    Raises
    ------
    UserError
        The package zarr is missing, or too old for the format.
    """
    _import_zarr(folder)
    images: List[PositionedImage] = []
    with _defer_errors(folder, {}, images):
        root = folder.resolve()
        metadata = read_attributes(root, "")
        described = _ome_images(root)
        if "plate" in metadata:
            wells = metadata["plate"]["wells"]
            check_planes(len(wells))
            for well in wells:
                _add_well(folder, well["path"], described, images)
            plate = acquisition({"plate": metadata["plate"].get("name")})
            images = [
                replace(one, acquisition=merge({"the plate": plate, "its wells": one.acquisition}))
                for one in images
            ]
        elif "bioformats2raw.layout" in metadata:
            names = [path.name for path in root.iterdir() if path.is_dir()]
            for name in sorted(filter(str.isdecimal, names), key=int):
                _add_field(folder, name, {"field": name}, described, images)
        else:
            _add_field(folder, "", {}, described, images)
    if not images:
        error = UserError(f"{folder} contains no image: export it again.")
        return [unreadable_image({}, error)]
    return images


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


@contextlib.contextmanager
def _defer_errors(
    folder: Path, position: Position, images: List[PositionedImage]
) -> Iterator[None]:
    """If the block fails, append a plane that raises the error when it is read."""
    try:
        with explain_read_errors(folder, KIND):
            yield
    except UserError as error:
        images.append(unreadable_image(position, error))


def _ome_images(root: Path) -> Dict[str, OmeImage]:
    """Return the descriptions that bioformats2raw keeps in OME-XML, by the paths of the images."""
    # The images can be read without them.
    with contextlib.suppress(UserError, LookupError, TypeError, ValueError):
        xml = parse_xml(read_text(root, "OME", "METADATA.ome.xml"))
        if xml is not None:
            found = ome_images(xml)
            series = read_attributes(root, "OME").get("series", map(str, range(len(found))))
            return dict(zip(series, found))
    return {}


def _add_well(
    folder: Path, path: str, described: Mapping[str, OmeImage], images: List[PositionedImage]
) -> None:
    row, column = map(check_name, path.split("/"))
    position: Position = {"well": row + column.zfill(2)}
    with _defer_errors(folder, position, images):
        for image in read_attributes(folder.resolve(), path)["well"]["images"]:
            name = check_name(image["path"])
            field = {**position, "field": name}
            _add_field(folder, f"{path}/{name}", field, described, images)


def _add_field(
    folder: Path,
    path: str,
    position: Position,
    described: Mapping[str, OmeImage],
    images: List[PositionedImage],
) -> None:
    with _defer_errors(folder, position, images):
        root = folder.resolve()
        metadata = read_attributes(root, path)
        if "multiscales" not in metadata:
            raise ValueError(f"{path or 'it'} has no multiscales")
        scales = metadata["multiscales"][0]
        if not all(isinstance(axis, dict) for axis in scales["axes"]):
            raise ValueError("it is older than 0.4")
        axes = [AXES.get(axis["name"], axis["name"]) for axis in scales["axes"]]
        # The first data set has full resolution.
        array = read_array(root, str(Path(path, scales["datasets"][0]["path"])))
        if axes[-2:] != ["y", "x"] or len(axes) != len(array.shape):
            raise ValueError(f"{path or 'it'} has the axes {', '.join(axes)}")
        check_planes(len(images) + math.prod(array.shape[:-2]))
        channels = metadata.get("omero", {}).get("channels", [])
        labels = [channel.get("label", "") for channel in channels]
        size = _pixel_size(scales)
        ome = described.get(path, OmeImage())
        for index in np.ndindex(*array.shape[:-2]):
            plane = with_channel_name({**position, **dict(zip(axes, index))}, labels)
            read = functools.partial(_read, folder, array.folder, index)
            acquired = _acquisition(size, plane, ome)
            images.append(PositionedImage(plane, read, acquisition=acquired, group=path))


def _pixel_size(scales: Dict[str, Any]) -> Dict[str, object]:
    """Return what :func:`pixel_size` does for the image of full resolution."""
    try:
        factors = [
            transformation["scale"]
            for one in (scales["datasets"][0], scales)
            for transformation in one.get("coordinateTransformations", ())
            if transformation["type"] == "scale"
        ]
        sizes = [
            micrometers(math.prod(factor[axis] for factor in factors), scales["axes"][axis]["unit"])
            for axis in (-1, -2)
        ]
    except (AttributeError, LookupError, TypeError):  # the image can be read without it
        return {}
    return pixel_size(*sizes) if factors else {}


def _acquisition(size: Mapping[str, object], position: Position, ome: OmeImage) -> Acquisition:
    ngff = acquisition(
        {
            **size,
            "well": position.get("well"),
            "site": position.get("field"),
            "channel": position.get("channel_name"),
        }
    )
    return merge({"the NGFF metadata": ngff, "the OME-XML": ome.acquisition(position)})


def _read(folder: Path, array: Path, index: Tuple[int, ...]) -> np.ndarray:
    # Filters of damaged metadata overflow.
    with explain_read_errors(folder, KIND), np.errstate(all="ignore"):
        image = np.asarray(_import_zarr(folder).open_array(str(array), mode="r")[index])
        return image.astype(image.dtype.newbyteorder("="), copy=False)
