import builtins
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from focusqual.commandline.commands import main
from micrograph_networks.errors import UserError
from micrograph_networks.images.planes import planes_of, position_columns, position_values

zarr = pytest.importorskip("zarr")
FORMATS = (2,) if zarr.__version__.startswith("2.") else (2, 3)
VERSIONS = {2: "0.4", 3: "0.5"}
"""Of NGFF, by that of Zarr."""


@pytest.fixture(params=FORMATS, ids=lambda number: VERSIONS[number])
def zarr_format(request):
    return request.param


class Writer:
    """Writes what NGFF says, group by group."""

    def __init__(self, path, zarr_format):
        # Zarr 2 knows its own format alone.
        options = {} if FORMATS == (2,) else {"zarr_format": zarr_format}
        self.group = zarr.open_group(str(path), mode="w", **options)
        self.version = VERSIONS[zarr_format]

    def describe(self, path, **metadata):
        group = self.group.require_group(path) if path else self.group
        described = {key: {"version": "0.4", **value} for key, value in metadata.items()}
        if self.version == "0.5":
            described = {"ome": {"version": "0.5", **metadata}}
        group.attrs.update(described)
        return group

    def image(self, path, image, axes, channels=()):
        scales = {"datasets": [{"path": "0"}, {"path": "1"}]}
        kinds = {"t": "time", "c": "channel"}
        scales["axes"] = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
        omero = {"channels": [{"label": name} for name in channels]}
        group = self.describe(path, omero=omero)
        stored = dict(group.attrs)
        stored.get("ome", stored)["multiscales"] = [scales]
        group.attrs.update(stored)
        for level, pixels in enumerate((image, image[..., ::2, ::2])):
            place = group.create_dataset if FORMATS == (2,) else group.create_array
            place(str(level), shape=pixels.shape, dtype=pixels.dtype)[...] = pixels

    def plate(self, wells, fields):
        self.describe("", plate={"wells": [{"path": well} for well in wells]})
        for well in wells:
            self.describe(well, well={"images": [{"path": field} for field in fields]})


@pytest.fixture
def images(rng):
    """Of two wells, two fields, two channels, three planes."""
    return rng.integers(0, 65535, (2, 2, 1, 2, 3, 90, 100), dtype=np.uint16)


@pytest.fixture
def plate(tmp_path, images, zarr_format):
    path = tmp_path / "plate.zarr"
    writer = Writer(path, zarr_format)
    writer.plate(["B/3", "C/11"], ["0", "1"])
    for well, fields in zip(("B/3", "C/11"), images):
        for field, image in enumerate(fields):
            writer.image(f"{well}/{field}", image, "tczyx", ["DNA", "Actin"])
    return path


def test_every_well_field_channel_and_plane_is_an_image(plate, images):
    planes = planes_of([plate])
    assert [plane.name for plane in planes] == [
        f"plate_{well}_field{field}_ch{channel}_z{z}"
        for well in ("B03", "C11")
        for field in range(2)
        for channel in range(2)
        for z in range(3)
    ]
    columns = position_columns(planes)
    assert columns == ["file", "well", "field", "time", "channel", "channel_name", "z"]
    assert position_values(planes[3], columns) == ["plate.zarr", "B03", "0", 0, 1, "Actin", 0]
    read = np.stack([plane.read() for plane in planes])
    np.testing.assert_array_equal(read, images.reshape(24, 90, 100))
    assert read.dtype == np.uint16


def test_images_and_series_of_images_are_read(tmp_path, images, zarr_format):
    image = images[0, 0, 0]
    Writer(tmp_path / "image.zarr", zarr_format).image("", image, "czyx")
    series = Writer(tmp_path / "series", zarr_format)
    series.group.attrs.update({"bioformats2raw.layout": 3})
    for field in range(11):
        series.image(str(field), image[0, 0], "yx")
    planes = planes_of([tmp_path / "image.zarr", tmp_path / "series"])
    assert [plane.stem for plane in planes[:6:5]] == ["image_ch0_z0", "image_ch1_z2"]
    np.testing.assert_array_equal([plane.read() for plane in planes[:6]], image.reshape(6, 90, 100))
    assert [plane.stem for plane in planes[6:]] == [f"series_field{n:02}" for n in range(11)]
    np.testing.assert_array_equal(planes[-1].read(), image[0, 0])


def test_predict_takes_a_plate_and_names_what_is_damaged(plate, tmp_path):
    shutil.rmtree(plate / "B" / "3" / "1")
    shutil.rmtree(plate / "C" / "11")
    output = tmp_path / "out"
    result = CliRunner().invoke(main, ["predict", str(plate), "--output", str(output)])
    assert result.exit_code == 1, result.output
    assert "Measured 6 of 8 images" in result.output
    for name in ("B03_field1", "C11"):
        assert f"({name}): {plate} cannot be read as OME-Zarr" in result.output
    stems = [f"plate_B03_field0_ch{channel}_z{z}" for channel in range(2) for z in range(3)]
    pictures = {f"{stem}_focus.png" for stem in stems}
    assert {path.name for path in output.iterdir()} == {"focus.csv", "patches.csv", *pictures}
    rows = (output / "focus.csv").read_text().splitlines()
    assert rows[0].endswith(",engine,folder,file,well,field,time,channel,channel_name,z")
    assert [row.split(",")[0] for row in rows[1:]] == stems
    assert rows[-1].endswith(",plate.zarr,B03,0,0,1,Actin,2")


@pytest.mark.parametrize(
    "damage, sentence",
    [
        (lambda attributes: attributes.pop("multiscales"), "it has no multiscales"),
        (
            lambda attributes: attributes["multiscales"][0]["axes"].reverse(),
            "it has the axes x, y, z",
        ),
        (
            lambda attributes: attributes["multiscales"][0].update(axes=["y", "x"]),
            "it is older than 0.4",
        ),
        (lambda attributes: attributes.update(plate={"wells": [{}]}), "'path'"),
    ],
)
def test_wrong_metadata_are_named(tmp_path, images, damage, sentence):
    path = tmp_path / "a.zarr"
    writer = Writer(path, 2)
    writer.image("", images[0, 0, 0, 0], "zyx")
    attributes = dict(writer.group.attrs)
    damage(attributes)
    writer.group.attrs.put(attributes)
    (plane,) = planes_of([path])
    with pytest.raises(UserError, match=rf"a\.zarr cannot be read as OME-Zarr \({sentence}"):
        plane.read()


def test_a_damaged_chunk_is_one_image(plate, images):
    for path in sorted((plate / "B" / "3" / "0" / "0").rglob("*"), reverse=True):
        if path.is_file() and path.name not in (".zarray", ".zattrs", "zarr.json"):
            path.write_bytes(b"no chunk")
    planes = planes_of([plate])
    with pytest.raises(UserError, match=r"plate\.zarr cannot be read as OME-Zarr"):
        planes[0].read()
    np.testing.assert_array_equal(planes[-1].read(), images[-1, -1, 0, -1, -1])


def test_a_folder_that_holds_nothing_is_named(tmp_path):
    path = tmp_path / "a.zarr"
    path.mkdir()
    (plane,) = planes_of([path])
    with pytest.raises(UserError, match=r"a\.zarr cannot be read as OME-Zarr"):
        plane.read()


def test_what_is_missing_is_one_sentence(tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    path.mkdir()
    (path / "zarr.json").write_text("{}")
    with monkeypatch.context() as patch:
        patch.setattr(zarr, "__version__", "2.18.2")
        with pytest.raises(UserError, match=r"OME-Zarr 0\.5, for which zarr 2\.18\.2"):
            planes_of([path])
    import_module = builtins.__import__

    def without_zarr(name, *arguments):
        if name == "zarr":
            raise ImportError(name)
        return import_module(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_zarr)
    result = CliRunner().invoke(main, ["predict", str(path), "--output", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "a.zarr is an OME-Zarr, for which the package zarr is missing" in result.output
