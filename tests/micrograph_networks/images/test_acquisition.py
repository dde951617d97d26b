import json
import re

import numpy as np
import pytest
import tifffile
from support import tiff_resolution

from micrograph_networks.images.acquisition import (
    COLUMNS,
    Acquisition,
    acquisition,
    column_values,
    iso_time,
    known_columns,
    merge,
    micrometers,
)
from micrograph_networks.images.planes import planes_of

IMAGE = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16)


def written(path, image=IMAGE, **options):
    """Return the acquisitions of a file with some metadata."""
    tifffile.imwrite(path, image, photometric="minisblack", **options)
    return [plane.acquisition for plane in planes_of([path])]


def assert_holds(found, **expected):
    """Check all values of an acquisition; those that are not expected are not known."""
    for name, value in vars(found).items():
        wanted = expected.get(name, () if name == "notes" else None)
        assert value == (pytest.approx(wanted) if isinstance(wanted, float) else wanted), name


# MetaMorph


def metamorph(**changed):
    """Return the XML of a MetaXpress image, with some other values."""
    values = {
        "spatial-calibration-state": "on",
        "spatial-calibration-x": "1.3668",
        "spatial-calibration-y": "1.3668",
        "spatial-calibration-units": "um",
        "acquisition-time-local": "20230221 10:41:57.173",
        "stage-position-x": "79813.4",
        "stage-position-y": "-41385.4",
        "stage-label": "e07 : Site 1",
        "z-position": "9338.18",
        "wavelength": "536",
        "_IllumSetting_": "FITC_05",
        "_MagNA_": "0.75",
        "_MagRI_": "1.33",
        **{name.replace("X", "-"): value for name, value in changed.items()},
    }
    properties = "".join(f'<prop id="{name}" value="{values[name]}"/>' for name in values)
    return (
        '<MetaData><prop id="Description" value="Plate Name: Mix 2&#13;&#10;Folder Name: T"/>'
        f"<PlaneInfo>{properties}</PlaneInfo></MetaData>"
    )


METAMORPH = {
    "pixel_size_um": 1.3668,
    "numerical_aperture": 0.75,
    "refractive_index": 1.33,
    "wavelength_um": 0.536,
    "stage_x_um": 79813.4,
    "stage_y_um": -41385.4,
    "stage_z_um": 9338.18,
    "time": "2023-02-21T10:41:57.173",
    "plate": "Mix 2",
    "well": "E07",
    "site": "1",
    "channel": "FITC_05",
}


def test_metamorph_is_read(tmp_path):
    (found,) = written(tmp_path / "a.tif", description=metamorph(), metadata=None)
    assert_holds(found, **METAMORPH)


def test_a_real_file_of_metaxpress_is_read(data_folder):
    (plane,) = planes_of([data_folder / "focus_stacks" / "beads_w1" / "E07_s1_w1_z05.tif"])
    assert_holds(
        plane.acquisition,
        **{**METAMORPH, "refractive_index": 1.0, "plate": "Projection-Mix", "stage_y_um": 41385.4},
    )


def test_every_page_of_metamorph_has_its_own_metadata(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for z in ("10.5", "12.5"):
            file.write(IMAGE, description=metamorph(zXposition=z), metadata=None)
    planes = planes_of([tmp_path / "a.tif"])
    assert [plane.acquisition.stage_z_um for plane in planes] == [10.5, 12.5]


@pytest.mark.parametrize(
    ("changed", "unknown"),
    [
        ({"_MagNA_": "0"}, "numerical_aperture"),
        ({"_MagNA_": "17"}, "numerical_aperture"),
        ({"_MagRI_": "0"}, "refractive_index"),
        ({"wavelength": "0"}, "wavelength_um"),
        ({"wavelength": "NaN"}, "wavelength_um"),
        ({"stageXpositionXx": "inf"}, "stage_x_um"),
        ({"stageXpositionXx": "1e300"}, "stage_x_um"),
        ({"acquisitionXtimeXlocal": "20231321 10:41:57"}, "time"),
        ({"spatialXcalibrationXstate": "off"}, "pixel_size_um"),
        ({"spatialXcalibrationXunits": "pixel"}, "pixel_size_um"),
        ({"spatialXcalibrationXunits": ""}, "pixel_size_um"),
        ({"spatialXcalibrationXx": "-1", "spatialXcalibrationXy": "-1"}, "pixel_size_um"),
    ],
)
def test_impossible_values_are_not_known(tmp_path, changed, unknown):
    xml = metamorph(**changed)
    (found,) = written(tmp_path / "a.tif", description=xml, metadata=None)
    assert_holds(found, **{**METAMORPH, unknown: None})


@pytest.mark.parametrize("xml", [metamorph()[:-9], "<!DOCTYPE a>".join(["<MetaData>"] * 2)])
def test_images_with_damaged_xml_can_be_read(tmp_path, xml):
    (found,) = written(tmp_path / "a.tif", description=xml, metadata=None)
    assert found == Acquisition()


# OME-XML


def ome(image="", objective="", pixels='PhysicalSizeX="0.325" PhysicalSizeY="0.325"', plane=""):
    return (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Plate ID="Plate:0" Name="P 1"><Well ID="Well:0" Row="1" Column="2">'
        '<WellSample ID="a" Index="0"><ImageRef ID="Image:0"/></WellSample></Well></Plate>'
        '<Instrument ID="I"><Objective ID="O:0" LensNA="0.4"/>'
        f'<Objective ID="O:1" LensNA="1.2" {objective}/></Instrument>'
        '<Image ID="Image:0"><AcquisitionDate>2024-05-06T23:59:58Z</AcquisitionDate>'
        f'<ObjectiveSettings ID="O:1" {image}/>'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="16" SizeY="12" '
        f'SizeZ="1" SizeC="2" SizeT="1" {pixels}>'
        '<Channel ID="a" Name="DNA" EmissionWavelength="461"/>'
        '<Channel ID="b" Name="Actin" EmissionWavelength="0.52" EmissionWavelengthUnit="\u00b5m"/>'
        f'<TiffData IFD="0" PlaneCount="2"/>{plane}</Pixels></Image></OME>'
    ).encode()


PLANE = (
    '<Plane TheC="0" TheZ="0" TheT="0" PositionX="1.5" PositionXUnit="mm" PositionY="7"/>'
    '<Plane TheC="1" TheZ="0" TheT="0" DeltaT="2500" DeltaTUnit="ms" PositionZ="-3" '
    'PositionZUnit="\u00b5m"/>'
)


def test_ome_xml_is_read(tmp_path):
    xml = ome('RefractiveIndex="1.34"', plane=PLANE)
    pages = np.stack([IMAGE, IMAGE])
    shared = {
        "pixel_size_um": 0.325,
        "numerical_aperture": 1.2,
        "refractive_index": 1.34,
        "plate": "P 1",
        "well": "B03",
        "site": "0",
    }
    dna, actin = written(tmp_path / "a.ome.tif", pages, description=xml, metadata=None)
    assert_holds(
        dna,
        **shared,
        wavelength_um=0.461,
        stage_x_um=1500.0,  # the unit of y is not known
        time="2024-05-06T23:59:58.000+00:00",
        channel="DNA",
    )
    assert_holds(
        actin,
        **shared,
        wavelength_um=0.52,
        stage_z_um=-3.0,
        time="2024-05-07T00:00:00.500+00:00",
        channel="Actin",
    )


@pytest.mark.parametrize(
    ("parts", "name", "value"),
    [
        ({"objective": 'Immersion="Oil"'}, "refractive_index", 1.515),
        ({"objective": 'Immersion="Oil"', "image": 'Medium="Water"'}, "refractive_index", 1.33),
        ({"objective": 'Immersion="Other"'}, "refractive_index", None),
        ({"pixels": 'PhysicalSizeX="650" PhysicalSizeXUnit="nm"'}, "pixel_size_um", 0.65),
        ({"pixels": 'PhysicalSizeX="1" PhysicalSizeXUnit="pixel"'}, "pixel_size_um", None),
        ({"pixels": 'PhysicalSizeX="1" PhysicalSizeXUnit="Mm"'}, "pixel_size_um", None),
        ({"pixels": 'PhysicalSizeX="0.1" PhysicalSizeY="0.2"'}, "pixel_size_um", None),
        ({"pixels": 'PhysicalSizeX="INF" PhysicalSizeY="INF"'}, "pixel_size_um", None),
        ({"plane": '<Plane TheC="x" DeltaT="?"/>'}, "stage_x_um", None),
        ({"plane": '<Plane DeltaT="?"/>'}, "time", None),
        ({"plane": '<Plane DeltaT="1" DeltaTUnit="ly"/>'}, "time", None),
        ({"plane": '<Plane DeltaT="1e99"/>'}, "time", None),
    ],
)
def test_units_and_media_of_ome_xml(tmp_path, parts, name, value):
    pages = np.stack([IMAGE, IMAGE])
    found = written(tmp_path / "a.ome.tif", pages, description=ome(**parts), metadata=None)
    assert getattr(found[0], name) == (value and pytest.approx(value))
    is_square = parts.get("pixels", "").count("0.") < 2
    assert bool(found[0].notes) != is_square


@pytest.mark.parametrize("lost", [b' ID="Image:0"', b' Row="1"', b' ID="Image:0"/>'])
def test_images_with_incomplete_ome_xml_can_be_read(tmp_path, lost):
    xml = ome().replace(lost, b"/>" if lost.endswith(b">") else b"")
    pages = np.stack([IMAGE, IMAGE])
    tifffile.imwrite(tmp_path / "a.ome.tif", pages, description=xml, metadata=None)
    dna, actin = planes_of([tmp_path / "a.ome.tif"])
    np.testing.assert_array_equal(dna.read(), IMAGE)
    np.testing.assert_array_equal(actin.read(), IMAGE)


def test_later_timepoints_without_a_time_have_none(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        np.stack([IMAGE, IMAGE]),
        metadata={"axes": "TYX", "AcquisitionDate": "2024-05-06T10:00:00"},
    )
    times = [plane.acquisition.time for plane in planes_of([tmp_path / "a.ome.tif"])]
    assert times == ["2024-05-06T10:00:00.000", None]


# Micro-Manager


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ({"ReceivedTime": "2021-03-04 12:34:56.789 -0800"}, "2021-03-04T12:34:56.789-08:00"),
        ({"Time": "2014-09-05 12:34:12 -0700"}, "2014-09-05T12:34:12.000-07:00"),
        ({}, None),
    ],
)
def test_micro_manager_is_read(tmp_path, time, expected):
    def tag(z):
        values = {
            "PixelSizeUm": 0.65,
            "XPositionUm": -10.25,
            "YPositionUm": "20",
            "ZPositionUm": z,
            "PositionName": "1-Pos_000_001",
            "Channel": "DAPI",
            **time,
        }
        text = json.dumps(values)
        return [(51123, "s", len(text) + 1, text, True)]

    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for z in (0.5, 1.5):
            file.write(IMAGE, metadata=None, extratags=tag(z))
    found = [plane.acquisition for plane in planes_of([tmp_path / "a.tif"])]
    for one, z in zip(found, (0.5, 1.5)):
        assert_holds(
            one,
            pixel_size_um=0.65,
            stage_x_um=-10.25,
            stage_y_um=20.0,
            stage_z_um=z,
            time=expected,
            site="1-Pos_000_001",
            channel="DAPI",
        )


@pytest.mark.parametrize("text", ["[1]", "{", '{"PixelSizeUm": 0, "ZPositionUm": null}'])
def test_damaged_tags_of_micro_manager_are_ignored(tmp_path, text):
    tags = [(51123, "s", len(text) + 1, text, True)]
    assert written(tmp_path / "a.tif", metadata=None, extratags=tags) == [Acquisition()]


# ImageJ and the resolution of a TIFF


def info(**changed):
    """Return what Bio-Formats writes into ImageJ's Info, with some other values."""
    values = {
        "SizeX": "16",
        "Information|Instrument|Objective|LensNA #1": "1.2",
        "Information|Image|ObjectiveSettings|RefractiveIndex #1": "1.33",
        "Information|Image|Channel|EmissionWavelength #1": "465.0",
        "Information|Image|Channel|EmissionWavelength #2": "520.0",
        "Experiment|Track|Channel|EmissionWavelength #1": "610.0",
        "Experiment|AcquisitionBlock|AcquisitionModeSetup|ScalingX #1": "1.28E-7",
        **changed,
    }
    return "".join(f" {name} = {value}\n" for name, value in values.items() if value)


def imagej(path, image=IMAGE, unit="micron", size=0.512, **changed):
    metadata = {"Info": info(**changed)}
    if unit:
        metadata["unit"] = unit
    if image.ndim > 2:
        metadata["axes"] = "CYX"
    resolution = {} if size is None else {"resolution": (1 / size, 1 / size)}
    return written(path, image, imagej=True, metadata=metadata, **resolution)


CONTRADICTION = (
    "The pixel size is 0.512 um in the calibration of the TIFF, which takes precedence, but 0.128 "
    "um in the Info of ImageJ.",
)
ONE_CHANNEL = {"Information|Image|Channel|EmissionWavelength #2": ""}


@pytest.mark.parametrize("unit", ["micron", "um", "\\u00B5m"])
def test_calibration_of_the_tiff_wins_after_binning(tmp_path, unit):
    (found,) = imagej(tmp_path / "a.tif", unit=unit, SizeX="64", **ONE_CHANNEL)
    assert_holds(
        found,
        pixel_size_um=0.512,
        numerical_aperture=1.2,
        refractive_index=1.33,
        wavelength_um=0.465,
        notes=CONTRADICTION,
    )


def test_equal_calibrations_are_no_contradiction(tmp_path):
    (found,) = imagej(tmp_path / "a.tif", size=0.129)
    assert found.pixel_size_um == pytest.approx(0.129)
    assert found.notes == ()


def test_channels_have_their_wavelengths(tmp_path):
    found = imagej(tmp_path / "a.tif", np.stack([IMAGE, IMAGE]))
    assert [one.wavelength_um for one in found] == pytest.approx([0.465, 0.52])
    (single,) = imagej(tmp_path / "b.tif")  # either channel
    assert single.wavelength_um is None


@pytest.mark.parametrize(
    ("changed", "name", "value"),
    [
        ({"unit": "pixel", "size": 1.0}, "pixel_size_um", 0.128),
        ({"unit": "", "size": 1.0}, "pixel_size_um", 0.128),
        ({"unit": "", "size": None}, "pixel_size_um", 0.128),
        ({"unit": "", "size": None, "SizeX": "64"}, "pixel_size_um", None),
        ({"unit": "inch", "size": 1 / 72, "SizeX": "64"}, "pixel_size_um", None),
        ({"unit": "inch", "size": 1 / 600, "SizeX": "64"}, "pixel_size_um", None),
        ({"unit": "mm", "size": 0.000512}, "pixel_size_um", 0.512),
        (
            {"Information|Instrument|Objective|LensNA #2": "0.4"},
            "numerical_aperture",
            None,
        ),
        (
            {
                "Information|Image|ObjectiveSettings|RefractiveIndex #1": "",
                "Information|Instrument|Objective|Immersion #1": "Oil",
            },
            "refractive_index",
            1.515,
        ),
    ],
)
def test_info_of_imagej(tmp_path, changed, name, value):
    (found,) = imagej(tmp_path / "a.tif", **changed)
    assert getattr(found, name) == (value and pytest.approx(value))


@pytest.mark.parametrize(
    ("resolution", "unit", "size"),
    [
        (1 / 0.65e-4, "CENTIMETER", 0.65),
        (25400 / 0.65, "INCH", 0.65),
        (72, "INCH", None),
        (300, "INCH", None),
        (28.35, "CENTIMETER", None),
        (118.11, "CENTIMETER", None),
        (1 / 0.65, "NONE", None),
        (1, "INCH", None),
    ],
)
def test_resolution_for_printers_is_no_pixel_size(tmp_path, resolution, unit, size):
    (found,) = written(
        tmp_path / "a.tif",
        metadata=None,
        **tiff_resolution(resolution, resolution, unit),
    )
    assert_holds(found, pixel_size_um=size)


def test_pixels_that_are_not_square_have_no_size(tmp_path):
    (found,) = written(
        tmp_path / "a.tif", metadata=None, **tiff_resolution(1e4 / 0.5, 1e4 / 0.6, "CENTIMETER")
    )
    assert found.pixel_size_um is None
    assert "0.5 um wide but 0.6 um high" in found.notes[0]


def test_files_without_metadata_say_nothing(tmp_path):
    assert written(tmp_path / "a.tif") == [Acquisition()]
    assert written(tmp_path / "b.tif", imagej=True) == [Acquisition()]


# Values


def test_first_source_wins():
    first = Acquisition(pixel_size_um=0.5, channel="a", notes=("One.",))
    second = Acquisition(pixel_size_um=0.7, wavelength_um=0.5, channel="b", notes=("Two.",))
    found = merge({"A": first, "B": second})
    assert (found.pixel_size_um, found.wavelength_um, found.channel) == (0.5, 0.5, "a")
    assert found.notes[:2] == ("One.", "Two.")
    assert re.search(
        "pixel size is 0.5 um in A, which takes precedence, but 0.7 um in B", found.notes[2]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-02T03:04:05.1234567Z", "2024-01-02T03:04:05.123+00:00"),
        ("20240102 03:04:05", "2024-01-02T03:04:05.000"),
        ("2024-01-02", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_iso_8601(text, expected):
    assert iso_time(text) == expected


def test_lengths_without_a_known_unit_are_not_known():
    assert micrometers("2", "mm") == 2000
    assert micrometers(2, "\u03bcm") == micrometers("2", "Microns") == 2
    assert micrometers("2", None) is micrometers("2", "Mm") is micrometers("x", "um") is None


def test_only_known_columns_are_written():
    one = acquisition({"stage_x_um": "79813.4", "site": 0, "time": ""})
    assert one == Acquisition(stage_x_um=79813.4, site="0")
    other = Acquisition(wavelength_um=520 * 1e-3, time="2024-01-02T03:04:05.000")
    columns = known_columns([one, other])
    assert columns == ["wavelength_um", "stage_x_um", "time"]
    assert column_values(one, columns) == ["", "79813.4", ""]
    assert column_values(other, columns) == ["0.52", "", "2024-01-02T03:04:05.000"]
    assert known_columns([Acquisition()]) == []
    assert set(COLUMNS) <= set(vars(one))
