"""Metadata of TIFF files: OME-XML, MetaMorph, Micro-Manager, ImageJ, and the calibration itself."""

import contextlib
import re
from typing import List, Match, Optional, Sequence

import tifffile

from micrograph_networks.errors import UserError
from micrograph_networks.images.acquisition import (
    Acquisition,
    acquisition,
    iso_time,
    merge,
    micrometers,
    pixel_size,
)
from micrograph_networks.images.ome_xml import REFRACTIVE_INDEX, parse_xml
from micrograph_networks.images.positions import Position

RESOLUTION_UNITS = {2: "inch", 3: "cm"}
"""Units of TIFF's tag ResolutionUnit."""
FINEST_PRINT = 10.0
"""Pixel size in micrometers from which resolutions per inch or cm are those of screens and
printers, such as 72 dpi, rather than those of a microscope."""
MICRO_MANAGER = 51123
"""Tag of Micro-Manager's metadata of a page."""
METAMORPH = "<MetaData>"
"""Start of MetaMorph's XML."""
STAGE_LABEL = re.compile(r"\s*([A-Za-z]{1,2}\d{1,2})\s*:\s*Site\s*(\w+)\s*")
"""Well and site in MetaXpress."""
PLATE_NAME = re.compile(r"Plate Name:[^\S\r\n]*([^\r\n]*)")
"""Name of the plate in the description by MetaXpress."""
INFO = re.compile(
    r"^(?P<path>(?:[^\n=]*[| ])?)(?P<key>LensNA|(?:Immersion)?RefractiveIndex|Immersion|ScalingX|"
    r"Distance\|Value|EmissionWavelength|SizeX)(?: #(?P<number>\d+))? *= *(?P<value>.*\S)",
    re.M,
)
"""Line of ImageJ's Info with the names that Bio-Formats gives to the metadata of Zeiss."""
Line = Match[str]


def vendor_lines(tiff: tifffile.TiffFile) -> List[Line]:
    """Return the lines of ImageJ's Info in which Bio-Formats keeps the metadata of Zeiss."""
    return list(INFO.finditer(str((tiff.imagej_metadata or {}).get("Info", ""))))


def read_acquisition(
    tiff: tifffile.TiffFile,
    page: tifffile.TiffPage,
    position: Position,
    ome: Acquisition,
    lines: Sequence[Line],
) -> Acquisition:
    """Return how the image of a page was acquired.

    The calibration of the TIFF is that of the pixels: programs that bin or resample an image keep
    the metadata of the microscope as they are. So it has precedence, and the notes name
    contradictions.

    Parameters
    ----------
    tiff : TiffFile
    page : TiffPage or TiffFrame
    position : Position
        Position of the image in the file.
    ome : Acquisition
        Of the image by the OME-XML.
    lines : sequence of Match
        Of the file by :func:`vendor_lines`.
    """
    calibration = _calibration(tiff, page.keyframe)
    first = tiff.pages[0]
    if MICRO_MANAGER in first.tags or first.description.startswith(METAMORPH):
        first = page.aspage()  # they describe each page
    return merge(
        {
            "the calibration of the TIFF": calibration,
            "the OME-XML": ome,
            "the metadata of MetaMorph": _metamorph(first.description),
            "the metadata of Micro-Manager": _micro_manager(first.tags.valueof(MICRO_MANAGER)),
            "the Info of ImageJ": _imagej_info(tiff, lines, calibration, position),
        }
    )


def _calibration(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Acquisition:
    """Return the pixel size by the resolution of the TIFF, unless that is one for printers."""
    tags = page.tags
    unit = RESOLUTION_UNITS.get(tags.valueof("ResolutionUnit"), "")
    if tiff.is_imagej:
        unit = tiff.imagej_metadata.get("unit", "")
    width, height = (_size(tags.valueof(name), unit) for name in ("XResolution", "YResolution"))
    return acquisition(pixel_size(width, height))


def _size(resolution: object, unit: str) -> Optional[float]:
    """Return the size of a pixel in micrometers by a resolution tag; None if it is not known."""
    if not isinstance(resolution, tuple) or len(resolution) != 2 or not resolution[0]:
        return None
    size = micrometers(resolution[1] / resolution[0], unit)
    if size is None or (unit in RESOLUTION_UNITS.values() and size >= FINEST_PRINT):
        return None
    return float(f"{size:.5g}")  # the tag has no more digits


def _metamorph(xml: str) -> Acquisition:
    """Return what the XML of MetaMorph and MetaXpress says of a page."""
    root = None
    with contextlib.suppress(UserError):  # the image can be read without it
        root = parse_xml(xml) if xml.startswith(METAMORPH) else None
    if root is None:
        return Acquisition()
    values = {one.get("id", ""): one.get("value", "") for one in root.iter("prop")}
    unit = values.get("spatial-calibration-units")
    is_calibrated = values.get("spatial-calibration-state", "on") == "on"
    width, height = (
        micrometers(values.get(f"spatial-calibration-{axis}"), unit) if is_calibrated else None
        for axis in "xy"
    )
    label = STAGE_LABEL.fullmatch(values.get("stage-label", ""))
    plate = PLATE_NAME.search(values.get("Description", ""))
    return acquisition(
        {
            **pixel_size(width, height),
            "numerical_aperture": values.get("_MagNA_"),
            "refractive_index": values.get("_MagRI_"),
            "wavelength_um": micrometers(values.get("wavelength"), "nm"),
            "stage_x_um": values.get("stage-position-x"),
            "stage_y_um": values.get("stage-position-y"),
            "stage_z_um": values.get("z-position"),
            "time": iso_time(values.get("acquisition-time-local")),
            "plate": plate and plate[1],
            "well": label and label[1].upper(),
            "site": label and label[2],
            "channel": values.get("_IllumSetting_"),
        }
    )


def _micro_manager(values: object) -> Acquisition:
    """Return what Micro-Manager says of a page in its tag."""
    if not isinstance(values, dict):
        return Acquisition()
    return acquisition(
        {
            "pixel_size_um": values.get("PixelSizeUm"),
            "stage_x_um": values.get("XPositionUm"),
            "stage_y_um": values.get("YPositionUm"),
            "stage_z_um": values.get("ZPositionUm"),
            "time": iso_time(values.get("ReceivedTime", values.get("Time"))),
            "site": values.get("PositionName"),
            "channel": values.get("Channel"),
        }
    )


def _imagej_info(
    tiff: tifffile.TiffFile, lines: Sequence[Line], calibration: Acquisition, position: Position
) -> Acquisition:
    """Return what the metadata of Zeiss say of an image."""
    if not lines:
        return Acquisition()
    size = _first(lines, "Distance|Value") or _first(lines, "ScalingX")
    width = _first(lines, "SizeX")
    if calibration.pixel_size_um is None and width not in (None, str(tiff.pages[0].imagewidth)):
        size = None  # the image was resized or cropped
    index = _only(lines, "RefractiveIndex") or _only(lines, "ImmersionRefractiveIndex")
    medium = _only(lines, "Immersion") or ""
    return acquisition(
        {
            "pixel_size_um": micrometers(size, "m"),
            "numerical_aperture": _only(lines, "LensNA"),
            "refractive_index": index or REFRACTIVE_INDEX.get(medium.lower()),
            "wavelength_um": micrometers(_of_channel(lines, tiff, position), "nm"),
        }
    )


def _of_channel(
    lines: Sequence[Line], tiff: tifffile.TiffFile, position: Position
) -> Optional[str]:
    """Return the wavelength of a channel, or that of all channels."""
    found = [line for line in lines if line["key"] == "EmissionWavelength"]
    # Other paths are settings of the experiment, some of them for channels that were not used.
    found = [line for line in found if "Information|" in line["path"]] or found
    by_channel = {int(line["number"] or 1) - 1: line["value"] for line in found}
    if len(set(by_channel.values())) == 1:
        return found[0]["value"]
    if len(by_channel) != tiff.imagej_metadata.get("channels", 1):
        return None  # which of the channels the image has is not known
    return by_channel.get(int(str(position.get("channel", 0))))


def _first(lines: Sequence[Line], key: str) -> Optional[str]:
    """Return the first value of a key, which for lengths is that along x."""
    return next((line["value"] for line in lines if line["key"] == key), None)


def _only(lines: Sequence[Line], key: str) -> Optional[str]:
    """Return the value of a key unless there are several."""
    values = {line["value"] for line in lines if line["key"] == key}
    return values.pop() if len(values) == 1 else None
