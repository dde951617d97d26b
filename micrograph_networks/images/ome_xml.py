"""OME-XML, as OME-TIFF files and the output of bioformats2raw have it.

https://docs.openmicroscopy.org/ome-model/latest/
"""

import math
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Dict, List, Mapping, Optional, Tuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from micrograph_networks.errors import UserError
from micrograph_networks.images.acquisition import (
    Acquisition,
    acquisition,
    iso_time,
    micrometers,
    pixel_size,
)
from micrograph_networks.images.limits import LARGEST_METADATA
from micrograph_networks.images.positions import Position

REFRACTIVE_INDEX = {"air": 1.0, "water": 1.33, "waterdipping": 1.33, "glycerol": 1.47, "oil": 1.515}
"""Refractive index by the name of an immersion medium, in lower case."""
SECONDS = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}
"""Units of time."""
NO_ELEMENT = Element("none")


@dataclass(frozen=True)
class OmeImage:
    """Description of a series in OME-XML.

    Attributes
    ----------
    position : Position
        Well and field.
    name : str
    channels : list of str
        Names of the channels.
    shared : mapping of str to object
        What all planes have in common, as for :func:`acquisition`.
    wavelengths : list of float
        Of the channels, in micrometers; None if it is not known.
    planes : mapping of (str, str, str) to Element
        Descriptions of planes by channel, z and timepoint.
    start : str
        Date and time of the first plane.
    """

    position: Position = field(default_factory=dict)
    name: str = ""
    channels: List[str] = field(default_factory=list)
    shared: Mapping[str, object] = field(default_factory=dict)
    wavelengths: List[Optional[float]] = field(default_factory=list)
    planes: Mapping[Tuple[str, ...], Element] = field(default_factory=dict)
    start: str = ""

    def acquisition(self, position: Position) -> Acquisition:
        """Return how the plane at a channel, z and timepoint was acquired; each is 0 if absent."""
        index = tuple(str(position.get(axis, 0)) for axis in ("channel", "z", "timepoint"))
        plane = self.planes.get(index, NO_ELEMENT)
        stage = {f"stage_{axis.lower()}_um": _length(plane, f"Position{axis}") for axis in "XYZ"}
        time = iso_time(self.start, _seconds(plane, index[2]))
        return acquisition({**self.shared, **stage, **self._channel(int(index[0])), "time": time})

    def _channel(self, number: int) -> Dict[str, object]:
        if number >= len(self.channels):
            return {}
        return {"wavelength_um": self.wavelengths[number], "channel": self.channels[number]}


def parse_xml(text: str) -> Optional[Element]:
    """Return the root of an XML, or None if it is damaged.

    Raises
    ------
    UserError
        It is too long, or declares a document type, whose entities could take all the memory.
    """
    if len(text) > LARGEST_METADATA:
        raise UserError(f"The XML has more than {LARGEST_METADATA} letters: export a part.")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UserError("The XML declares a document type, which is not allowed: export it again.")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None


def ome_images(root: Element) -> List[OmeImage]:
    """Return the descriptions of the images in OME-XML, in their order."""
    wells = _wells(root)
    return [_ome_image(root, image, wells) for image in root.findall("{*}Image")]


def _wells(root: Element) -> Dict[str, Tuple[Position, str]]:
    """Return position and name of the plate by the ID of each image."""
    wells = {}
    for plate in root.findall("{*}Plate"):
        for well in plate.findall("{*}Well"):
            row, column = int(well.attrib["Row"]), int(well.attrib["Column"])
            name = f"{_row_letters(row)}{column + 1:02}"
            for number, image in enumerate(well.findall(".//{*}ImageRef")):
                position: Position = {"well": name, "field": number}
                wells[image.attrib["ID"]] = position, plate.get("Name", "")
    return wells


def _ome_image(
    root: Element, image: Element, wells: Mapping[str, Tuple[Position, str]]
) -> OmeImage:
    position, plate = wells.get(image.attrib["ID"], ({}, ""))
    pixels = _child(image, "Pixels")
    channels = pixels.findall("{*}Channel")
    planes = {
        tuple(plane.get(f"The{axis}", "0") for axis in "CZT"): plane
        for plane in pixels.findall("{*}Plane")
    }
    sizes = (_length(pixels, f"PhysicalSize{axis}", "\u00b5m") for axis in "XY")
    return OmeImage(
        position,
        image.get("Name", ""),
        [channel.get("Name", "") for channel in channels],
        {
            **pixel_size(*sizes),
            **_objective(root, image),
            "plate": plate,
            "well": position.get("well"),
            "site": str(position.get("field", "")),
        },
        [_length(channel, "EmissionWavelength", "nm") for channel in channels],
        planes,
        _child(image, "AcquisitionDate").text or "",
    )


def _objective(root: Element, image: Element) -> Dict[str, object]:
    """Return numerical aperture and refractive index of the objective of an image."""
    settings = _child(image, "ObjectiveSettings")
    objectives = root.findall("{*}Instrument/{*}Objective")
    named = [one for one in objectives if one.get("ID") == settings.get("ID")]
    (objective,) = (
        named if len(named) == 1 else objectives if len(objectives) == 1 else [NO_ELEMENT]
    )
    medium = settings.get("Medium") or objective.get("Immersion") or ""
    return {
        "numerical_aperture": objective.get("LensNA"),
        "refractive_index": settings.get("RefractiveIndex") or REFRACTIVE_INDEX.get(medium.lower()),
    }


def _child(element: Element, name: str) -> Element:
    """Return a child, or an empty element if there is none."""
    found = element.find(f"{{*}}{name}")
    return NO_ELEMENT if found is None else found


def _length(element: Element, name: str, unit: str = "reference frame") -> Optional[float]:
    """Return a length in micrometers. Without its unit, the position of a stage means nothing."""
    return micrometers(element.get(name), element.get(f"{name}Unit", unit))


def _seconds(plane: Element, timepoint: str) -> float:
    """Return the time of a plane after the start; NaN if it is not known."""
    try:
        delay = plane.get("DeltaT", "0" if timepoint == "0" else "nan")
        return float(delay) * SECONDS[plane.get("DeltaTUnit", "s")]
    except (KeyError, ValueError):
        return math.nan


def _row_letters(row: int) -> str:
    """Return A to Z, then AA and so on, as plates of 1536 wells have them."""
    more, last = divmod(row, len(ascii_uppercase))
    return (ascii_uppercase[more - 1] if more else "") + ascii_uppercase[last]
