import json
import os
import pickle
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from focusqual.commandline.commands import main
from micrograph_networks.errors import UserError
from micrograph_networks.images import zarr_folders
from micrograph_networks.images.planes import planes_of, position_columns, position_values
from micrograph_networks.images.zarr_folders import read_array

zarr = pytest.importorskip("zarr")
IS_ZARR_2 = zarr.__version__.startswith("2.")
UNREADABLE = r"zarr cannot be read as OME-Zarr"


@pytest.fixture(params=["0.4"] if IS_ZARR_2 else ["0.4", "0.5"])
def version(request):
    return request.param


def open_group(path, version="0.4"):
    if IS_ZARR_2:
        return zarr.open_group(str(path), mode="w")
    return zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)


def describe(group, version="0.4", **metadata):
    group.attrs.update({"ome": {"version": "0.5", **metadata}} if version == "0.5" else metadata)


def write_image(group, image, axes, version="0.4", channels=()):
    scales = {
        "datasets": [{"path": "0"}, {"path": "1"}],
        "axes": [{"name": axis} for axis in axes],
    }
    omero = {"channels": [{"label": name} for name in channels]}
    describe(group, version, multiscales=[scales], omero=omero)
    create = group.create_dataset if IS_ZARR_2 else group.create_array
    for level, pixels in enumerate((image, image[..., ::2, ::2])):
        create(str(level), shape=pixels.shape, dtype=pixels.dtype)[...] = pixels


@pytest.fixture
def images(rng):
    """Two wells, two fields, one time, two channels, two z."""
    return rng.integers(0, 65535, (2, 2, 1, 2, 2, 90, 100), dtype=np.uint16)


@pytest.fixture
def plate(tmp_path, images, version):
    path = tmp_path / "plate.zarr"
    root = open_group(path, version)
    wells = ("B/3", "C/11")
    describe(root, version, plate={"wells": [{"path": well} for well in wells]})
    for well, fields in zip(wells, images):
        group = root.require_group(well)
        describe(group, version, well={"images": [{"path": "0"}, {"path": "1"}]})
        for field, image in enumerate(fields):
            target = group.require_group(str(field))
            write_image(target, image, "tczyx", version, ["DNA", "Actin"])
    return path


def test_plate_has_wells_fields_channels_and_z(plate, images):
    planes = planes_of([plate])
    assert [plane.name for plane in planes] == [
        f"plate_{well}_field{field}_ch{channel}_z{z}"
        for well in ("B03", "C11")
        for field in range(2)
        for channel in range(2)
        for z in range(2)
    ]
    columns = position_columns(planes)
    assert columns == ["file", "well", "field", "timepoint", "channel", "channel_name", "z"]
    assert position_values(planes[2], columns) == ["plate.zarr", "B03", "0", 0, 1, "Actin", 0]
    read = np.stack([plane.read() for plane in planes])
    np.testing.assert_array_equal(read, images.reshape(16, 90, 100))
    assert read.dtype == np.uint16


def test_image_and_series_of_images_are_read(tmp_path, images, version):
    image = images[0, 0, 0]
    write_image(open_group(tmp_path / "image.zarr", version), image, "czyx", version)
    series = open_group(tmp_path / "series", version)
    series.attrs.update({"bioformats2raw.layout": 3})
    for field in range(11):
        write_image(series.require_group(str(field)), image[0, 0], "yx", version)
    planes = planes_of([tmp_path / "image.zarr", tmp_path / "series"])
    names = [f"image_ch{channel}_z{z}" for channel in range(2) for z in range(2)]
    assert [plane.stem for plane in planes] == names + [f"series_field{n:02}" for n in range(11)]
    np.testing.assert_array_equal([plane.read() for plane in planes[:4]], image.reshape(4, 90, 100))
    np.testing.assert_array_equal(planes[-1].read(), image[0, 0])


def write_scaled_image(group, scale, version, unit="micrometer"):
    """Write an image of two channels and describe the size of its pixels."""
    image = np.zeros((2, 12, 16), np.uint8)
    write_image(group, image, "cyx", version, ["DNA", "Actin"])
    axes = [{"name": "c"}, {"name": "y", "unit": unit}, {"name": "x", "unit": unit}]
    levels = [
        {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        for n in range(2)
    ]
    whole = [{"type": "scale", "scale": [1, 0.5, 0.5]}]
    scales = {"axes": axes, "datasets": levels, "coordinateTransformations": whole}
    omero = {"channels": [{"label": "DNA"}, {"label": "Actin"}]}
    describe(group, version, multiscales=[scales], omero=omero)


@pytest.mark.parametrize(
    ("scale", "unit", "size"),
    [
        ([1, 0.65, 0.65], "micrometer", 0.325),
        ([1, 650, 650], "nanometer", 0.325),
        ([1, 0.65, 0.65], "pixel", None),
        ([1, 0.65, 0.7], "micrometer", None),
        (["a", "b", "c"], "micrometer", None),
        (5, "micrometer", None),
    ],
)
def test_pixel_size_is_read(tmp_path, version, scale, unit, size):
    write_scaled_image(open_group(tmp_path / "a.zarr", version), scale, version, unit)
    found = [plane.acquisition for plane in planes_of([tmp_path / "a.zarr"])]
    assert [one.pixel_size_um for one in found] == [size and pytest.approx(size)] * 2
    assert [one.channel for one in found] == ["DNA", "Actin"]


def test_ome_xml_of_bioformats2raw_is_read(tmp_path, version):
    path = tmp_path / "plate.zarr"
    root = open_group(path, version)
    describe(root, version, plate={"name": "P 1", "wells": [{"path": "B/3"}]})
    well = root.require_group("B/3")
    describe(well, version, well={"images": [{"path": "0"}, {"path": "1"}]})
    for field in "01":
        write_scaled_image(well.require_group(field), [1, 0.65, 0.65], version)
    describe(root.require_group("OME"), version, series=["B/3/1", "B/3/0"])
    xml = "".join(
        f'<Image ID="Image:{number}"><Pixels ID="Pixels:{number}" PhysicalSizeX="{size}">'
        '<Channel EmissionWavelength="461"/><Channel EmissionWavelength="520"/>'
        f'<Plane TheC="1" TheZ="0" TheT="0" PositionZ="{number}" PositionZUnit="mm"/>'
        "</Pixels></Image>"
        for number, size in enumerate((0.325, 0.5))
    )
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Instrument>'
        f'<Objective ID="a" LensNA="0.95"/></Instrument>{xml}</OME>'
    )
    (path / "OME" / "METADATA.ome.xml").write_text(xml)
    found = [plane.acquisition for plane in planes_of([path])]
    assert {one.pixel_size_um for one in found} == {0.325}
    assert {one.numerical_aperture for one in found} == {0.95}
    assert [one.wavelength_um for one in found] == pytest.approx([0.461, 0.52] * 2)
    assert [one.stage_z_um for one in found] == [None, 1000, None, 0]
    assert [(one.plate, one.well, one.site) for one in found] == [
        ("P 1", "B03", field) for field in "0011"
    ]
    contradiction = (
        "The pixel size is 0.325 um in the NGFF metadata, which takes precedence, but 0.5 um in "
        "the OME-XML."
    )
    assert [one.notes for one in found] == [(contradiction,)] * 2 + [()] * 2
    for damaged in ("<OME", "<!DOCTYPE a><OME/>", "<OME><Image/></OME>"):
        (path / "OME" / "METADATA.ome.xml").write_text(damaged)
        assert [plane.acquisition.wavelength_um for plane in planes_of([path])] == [None] * 4


def test_predict_names_damaged_parts_of_a_plate(plate, tmp_path):
    shutil.rmtree(plate / "B" / "3" / "1")
    shutil.rmtree(plate / "C" / "11")
    output = tmp_path / "out"
    arguments = ["predict", str(plate), "--output", str(output), "--engine", "numpy"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1, result.output
    assert "Measured 4 of 6 images" in result.output
    for name in ("B03_field1", "C11"):
        assert f"({name}): {plate} cannot be read as OME-Zarr" in result.output
    stems = [f"plate_B03_field0_ch{channel}_z{z}" for channel in range(2) for z in range(2)]
    pictures = {f"{stem}_focus.png" for stem in stems}
    assert {path.name for path in output.iterdir()} == {"focus.csv", "patches.csv", *pictures}
    rows = (output / "focus.csv").read_text().splitlines()
    assert rows[0].endswith(",engine,folder,file,well,field,timepoint,channel,channel_name,z")
    assert [row.split(",")[0] for row in rows[1:]] == stems
    assert rows[-1].endswith(",plate.zarr,B03,0,0,1,Actin,1")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_predict_writes_the_focus_into_a_plate_and_changes_nothing_else(plate, tmp_path, version):
    before = contents(plate)
    arguments = ["predict", str(plate), "--output", str(tmp_path / "out"), "--engine", "numpy"]
    for _ in range(2):
        result = CliRunner().invoke(main, [*arguments, "--write-metadata"])
        assert result.exit_code == 0, result.output
    after = contents(plate)
    name = "zarr.json" if version == "0.5" else ".zattrs"
    groups = {plate / well / field / name for well in ("B/3", "C/11") for field in "01"}
    assert {path for path in after if after[path] != before.get(path)} == groups
    rows = (tmp_path / "out" / "focus.csv").read_text().splitlines()
    score = rows[2].split(",")[1]
    for path in groups:
        old, new = json.loads(before[path]), json.loads(after[path])
        attributes = new["attributes"] if version == "0.5" else new
        focus = attributes.pop("focusqual")
        assert new == old
        places = [(plane["timepoint"], plane["channel"], plane["z"]) for plane in focus["planes"]]
        assert places == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    focus = json.loads(after[plate / "B/3/0" / name])
    focus = (focus["attributes"] if version == "0.5" else focus)["focusqual"]
    assert focus["planes"][1]["score"] == float(score)
    assert len(planes_of([plate])) == 16


def test_interrupted_writing_keeps_the_metadata(plate, monkeypatch):
    before = contents(plate)
    monkeypatch.setattr(json, "dumps", lambda *_, **__: "{" + "\ud800")
    with pytest.raises(UnicodeEncodeError):
        zarr_folders.write_attribute(plate.resolve(), "B/3/0", "focusqual", 1)
    assert contents(plate) == before


def test_focus_is_written_only_into_ome_zarr(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"")
    arguments = ["predict", str(tmp_path / "a.tif"), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*arguments, "--write-metadata"])
    assert result.exit_code == 2
    assert "--write-metadata needs an OME-Zarr" in result.output


@pytest.mark.parametrize(
    "metadata, problem",
    [
        ({}, "it has no multiscales"),
        ({"multiscales": [{"axes": [{"name": "x"}, {"name": "y"}]}]}, "it has the axes x, y"),
        ({"multiscales": [{"axes": ["y", "x"]}]}, "it is older than 0.4"),
        ({"plate": {"wells": [{}]}}, "its metadata are damaged: 'path'"),
    ],
)
def test_wrong_metadata_are_named(tmp_path, images, metadata, problem):
    group = open_group(tmp_path / "a.zarr")
    write_image(group, images[0, 0, 0, 0, 0], "yx")
    for scales in metadata.get("multiscales", []):
        scales["datasets"] = [{"path": "0"}]
    group.attrs.put(metadata)
    (plane,) = planes_of([tmp_path / "a.zarr"])
    with pytest.raises(UserError, match=rf"{UNREADABLE} \({problem}"):
        plane.read()


@pytest.mark.parametrize("metadata", [{"plate": {"wells": []}}, {"bioformats2raw.layout": 3}])
def test_a_zarr_without_images_is_named(tmp_path, metadata):
    open_group(tmp_path / "a.zarr").attrs.put(metadata)
    (plane,) = planes_of([tmp_path / "a.zarr"])
    with pytest.raises(UserError, match="a.zarr contains no image"):
        plane.read()


def test_damaged_chunk_does_not_affect_other_images(plate, images):
    for path in (plate / "B" / "3" / "0" / "0").rglob("*"):
        if path.is_file() and path.name not in (".zarray", ".zattrs", "zarr.json"):
            path.write_bytes(b"no chunk")
    planes = planes_of([plate])
    with pytest.raises(UserError, match=UNREADABLE):
        planes[0].read()
    np.testing.assert_array_equal(planes[-1].read(), images[-1, -1, 0, -1, -1])


def write_raw(path, array=(), attributes=(), chunk=bytes(64)):
    """Write an OME-Zarr 0.4 of 8x8 pixels without the package zarr; return its folder."""
    scales = [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]
    metadata = {"zarr_format": 2, "shape": [8, 8], "chunks": [8, 8], "dtype": "|u1", "order": "C"}
    metadata.update({"compressor": None, "filters": None, "fill_value": 0}, **dict(array))
    (path / "0").mkdir(parents=True)
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / ".zattrs").write_text(json.dumps({"multiscales": scales, **dict(attributes)}))
    (path / "0" / ".zarray").write_text(json.dumps(metadata))
    (path / "0" / "0.0").write_bytes(chunk)
    return path


def write_raw_3(path, codecs, **array):
    """Write an OME-Zarr 0.5 of 8x8 pixels without the package zarr; return its folder."""
    scales = [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]
    group = {"zarr_format": 3, "node_type": "group"}
    group["attributes"] = {"ome": {"version": "0.5", "multiscales": scales}}
    metadata = {
        **{"zarr_format": 3, "node_type": "array", "shape": [8, 8], "data_type": "uint8"},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8, 8]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        **{"fill_value": 0, "codecs": codecs, "attributes": {}, **array},
    }
    (path / "0" / "c" / "0").mkdir(parents=True)
    (path / "zarr.json").write_text(json.dumps(group))
    (path / "0" / "zarr.json").write_text(json.dumps(metadata))
    (path / "0" / "c" / "0" / "0").write_bytes(pickle.dumps(Harmful()))
    return path


LARGE_CHUNKS = {"name": "regular", "configuration": {"chunk_shape": [32_768, 32_768]}}


class Harmful:
    """Object whose unpickling makes a file."""

    def __reduce__(self):
        return Path.touch, (Path("harm"),)


def refused(path, problem):
    """Assert that a Zarr has one plane, whose error names the problem."""
    (plane,) = planes_of([path])
    with pytest.raises(UserError, match=rf"{path}.*{problem}"):
        plane.read()


PICKLE = {"id": "pickle", "protocol": 5}


@pytest.mark.parametrize(
    "array, problem",
    [
        ({"compressor": PICKLE}, "codec 'pickle' is not allowed"),
        ({"filters": [PICKLE]}, "codec 'pickle' is not allowed"),
        ({"filters": [{"id": "delta", "dtype": "|u1"}, PICKLE]}, "codec 'pickle'"),
        ({"compressor": {"id": "no_such_codec"}}, "codec 'no_such_codec' is not allowed"),
        ({"filters": [{"id": "json2"}]}, "codec 'json2'"),
        ({"dtype": "|O", "filters": [PICKLE]}, "data type '|O'"),
        ({"dtype": [["a", "|O"]]}, "data type"),
        ({"filters": [{"id": "astype", "encode_dtype": "|u1", "decode_dtype": "|O"}]}, "type '|O'"),
    ],
)
def test_no_codec_runs_code(tmp_path, monkeypatch, array, problem):
    monkeypatch.chdir(tmp_path)
    path = write_raw(tmp_path / "a.zarr", array, chunk=pickle.dumps(Harmful()))
    refused(path, re.escape(problem).replace("type", ".*"))
    (path / ".zmetadata").write_text(
        json.dumps({"zarr_consolidated_format": 1, "metadata": {"0/.zarray": array}})
    )
    refused(path, "not allowed|real number")
    assert not (tmp_path / "harm").exists()


HARMFUL_3 = [{"name": "numcodecs.pickle", "configuration": {}}]
BYTES = [{"name": "bytes", "configuration": None}]


def sharding(codecs, chunk=(4, 4)):
    inner = {"chunk_shape": list(chunk), "index_codecs": ["bytes", "crc32c"], "codecs": codecs}
    return [{"name": "sharding_indexed", "configuration": inner}]


@pytest.mark.parametrize(
    "codecs, array, problem",
    [
        (HARMFUL_3, {}, "codec 'numcodecs.pickle' is not allowed"),
        (["pickle"], {}, "codec 'pickle' is not allowed"),
        (sharding(HARMFUL_3), {}, "codec 'numcodecs.pickle' is not allowed"),
        (sharding(sharding(HARMFUL_3)), {}, "codec 'numcodecs.pickle' is not allowed"),
        (sharding(BYTES), {"chunk_grid": LARGE_CHUNKS}, "claims 67108864 chunks"),
        (BYTES, {"data_type": "variable_length_bytes"}, "data type"),
        (BYTES, {"data_type": {"name": "struct"}}, "data type"),
        (BYTES, {"storage_transformers": [{"name": "a"}]}, "storage transformers"),
        (BYTES, {"chunk_grid": {"name": "varying"}}, "chunks are varying"),
    ],
)
def test_no_codec_of_zarr_3_runs_code(tmp_path, monkeypatch, codecs, array, problem):
    monkeypatch.chdir(tmp_path)
    path = write_raw_3(tmp_path / "a.zarr", codecs, **array)
    with pytest.raises((UserError, ValueError), match=problem):
        read_array(path, "0")
    if not IS_ZARR_2:
        refused(path, problem)
        assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "codecs", [BYTES, ["bytes", "zstd"], sharding(BYTES), [*BYTES, {"name": "numcodecs.zlib"}]]
)
def test_codecs_of_numbers_are_allowed(tmp_path, codecs):
    path = write_raw_3(tmp_path / "a.zarr", codecs)
    assert read_array(path, "0").shape == (8, 8)


def test_zarr_without_array_or_with_large_metadata_is_named(tmp_path, monkeypatch):
    path = write_raw(tmp_path / "a.zarr")
    monkeypatch.setattr(zarr_folders, "LARGEST_METADATA", 9)
    refused(path, r"\.zattrs has more than 9 bytes")
    with pytest.raises(ValueError, match="1 has no array"):
        read_array(path, "1")
    (path / "0" / ".zarray").write_text("[]")
    with pytest.raises(ValueError, match="is not a JSON object"):
        read_array(path, "0")


@pytest.mark.parametrize(
    "attributes",
    [
        {"multiscales": [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": path}]}]}
        for path in ("../b.zarr/0", "/tmp/b.zarr/0", "link")
    ]
    + [{"plate": {"wells": [{"path": path}]}} for path in ("../b.zarr", "b/link")],
)
def test_nothing_is_read_outside_of_the_folder(tmp_path, attributes):
    write_raw(tmp_path / "b.zarr", attributes={"well": {"images": [{"path": "0"}]}})
    path = write_raw(tmp_path / "a.zarr", attributes=attributes)
    (path / "b").mkdir()
    (path / "link").symlink_to(tmp_path / "b.zarr" / "0")
    (path / "b" / "link").symlink_to(tmp_path / "b.zarr")
    refused(path, "leads out of the folder|not the name of a row")


@pytest.mark.parametrize("name", ["..", "0/../..", "a/b", "", "0 "])
def test_names_of_fields_are_no_paths(tmp_path, name):
    plate = {"plate": {"wells": [{"path": "B/3"}]}}
    path = write_raw(tmp_path / "a.zarr", attributes=plate)
    (path / "B" / "3").mkdir(parents=True)
    well = {"well": {"images": [{"path": name}]}}
    (path / "B" / "3" / ".zattrs").write_text(json.dumps(well))
    refused(path, "is not the name of a row, column or field")


@pytest.mark.parametrize("special", ["link", "pipe"])
def test_special_files_are_refused(tmp_path, special):
    path = write_raw(tmp_path / "a.zarr")
    chunk = path / "0" / "0.0"
    chunk.unlink()
    if special == "link":
        chunk.symlink_to("/dev/zero")
    else:
        os.mkfifo(chunk)
    refused(path, "leads out of the folder" if special == "link" else "not a regular file")


LARGE = {"chunks": [2048, 2048]}


@pytest.mark.parametrize(
    "axes, array, problem",
    [
        ("zyx", {"shape": [10**9, 8, 8], "chunks": [1, 8, 8]}, "claims 1000000000 images"),
        ("yx", {"shape": [10**6, 10**6], **LARGE}, "claims 1000000x1000000 pixels"),
        ("yx", {"shape": [30_000, 30_000], **LARGE}, "claims 30000x30000 pixels in"),
        ("yx", {"shape": [8, 8], "chunks": [30_000, 30_000]}, "claims 30000x30000 pixels in"),
        ("yx", {"shape": [10_000, 10_000], "chunks": [1, 1]}, "claims 100000000 chunks"),
        ("yx", {"shape": [0, 8]}, "its shape is"),
        ("yx", {"shape": [8, -8]}, "its shape is"),
    ],
)
def test_claims_are_compared_with_the_files(tmp_path, axes, array, problem):
    scales = {"axes": [{"name": axis} for axis in axes], "datasets": [{"path": "0"}]}
    refused(write_raw(tmp_path / "a.zarr", array, {"multiscales": [scales]}), problem)


def test_big_endian_becomes_native(tmp_path):
    chunk = np.arange(64, dtype=">u2").tobytes()
    (plane,) = planes_of([write_raw(tmp_path / "a.zarr", {"dtype": ">u2"}, chunk=chunk)])
    assert plane.read().dtype.isnative
    np.testing.assert_array_equal(plane.read().ravel(), np.arange(64))


def test_empty_folder_is_named(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (plane,) = planes_of([tmp_path / "a.zarr"])
    with pytest.raises(UserError, match=UNREADABLE):
        plane.read()


def test_missing_and_old_zarr_are_named(tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    path.mkdir()
    (path / "zarr.json").write_text("{}")
    with monkeypatch.context() as patch:
        patch.setattr(zarr, "__version__", "2.18.2")
        with pytest.raises(UserError, match=r"OME-Zarr 0\.5, for which zarr 2\.18\.2"):
            planes_of([path])
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(UserError, match="for which the package zarr is missing"):
        planes_of([path])
