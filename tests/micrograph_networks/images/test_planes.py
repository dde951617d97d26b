from pathlib import Path

import numpy as np
import pytest
import tifffile

from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_image
from micrograph_networks.images.planes import planes_of, position_columns, position_values


def written(path, image, **options):
    tifffile.imwrite(path, image, **options)
    return path


def planes_by_name(path):
    return {plane.name: plane for plane in planes_of([path])}


@pytest.fixture
def stack(rng):
    return rng.integers(0, 65535, (2, 3, 12, 30, 40), dtype=np.uint16)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_planes_of_a_hyperstack_are_images_with_names_that_sort(tmp_path, stack, name, compression):
    options = {"metadata": {"axes": "TCZYX"}, "compression": compression}
    if name == "a.tif":
        options = {"metadata": {"axes": "TZCYX"}, "imagej": True}
        path = written(tmp_path / name, stack.swapaxes(1, 2), **options)
    else:
        path = written(tmp_path / name, stack, **options)
    planes = planes_by_name(path)
    assert sorted(planes) == [
        f"{path.stem}_time{time}_ch{channel}_z{z:02}"
        for time in range(2)
        for channel in range(3)
        for z in range(12)
    ]
    for frame, plane in enumerate(planes.values()):
        place = tuple(plane.position[axis] for axis in ("time", "channel", "z"))
        np.testing.assert_array_equal(plane.read(), stack[place])
        assert plane.stem == plane.name
        assert position_values(plane, position_columns([plane])) == [name, *place, frame]


@pytest.mark.parametrize("shape, axis", [((12, 30, 40), "page"), ((7, 30, 40, 3), "page")])
def test_pages_are_images(tmp_path, rng, shape, axis):
    pages = rng.integers(0, 255, shape, dtype=np.uint8)
    photometric = "rgb" if len(shape) == 4 else "minisblack"
    path = written(tmp_path / "a.tif", pages, metadata=None, photometric=photometric)
    planes = planes_of([path])
    assert [plane.position for plane in planes] == [
        {"file": "a.tif", axis: number, "frame": number} for number in range(len(pages))
    ]
    np.testing.assert_array_equal([plane.read() for plane in planes], pages)


def test_pages_of_several_sizes_are_images_and_previews_are_none(tmp_path, rng):
    images = [rng.integers(0, 255, shape, dtype=np.uint8) for shape in ((30, 40), (20, 20), (5, 5))]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for image, preview in zip(images, (0, 0, 1)):
            file.write(image, metadata=None, subfiletype=preview)
    planes = planes_by_name(tmp_path / "a.tif")
    assert list(planes) == ["a_field0", "a_field1"]
    assert not any("frame" in plane.position for plane in planes.values())
    for plane, image in zip(planes.values(), images):
        np.testing.assert_array_equal(plane.read(), image)


def test_samples_that_are_no_colors_are_channels(tmp_path, rng):
    pages = rng.integers(0, 255, (5, 30, 40), dtype=np.uint8)
    many = written(
        *(tmp_path / "many.tif", pages),
        **{"photometric": "minisblack", "planarconfig": "separate", "metadata": {"axes": "SYX"}},
    )
    three = written(tmp_path / "three.tif", pages[:3], photometric="rgb", planarconfig="separate")
    interleaved = written(
        *(tmp_path / "interleaved.tif", np.moveaxis(pages, 0, -1)),
        **{"photometric": "minisblack", "planarconfig": "contig"},
    )
    for path, count in ((many, 5), (three, 3), (interleaved, 5)):
        planes = planes_of([path])
        assert [plane.position["channel"] for plane in planes] == list(range(count))
        assert not any("frame" in plane.position for plane in planes)
        np.testing.assert_array_equal([plane.read() for plane in planes], pages[:count])


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_stacks_described_by_their_first_page_alone_are_read(tmp_path, rng, byteorder):
    pages = rng.integers(0, 65535, (6, 30, 40), dtype=np.uint16)
    path = written(tmp_path / "a.tif", pages, truncate=True, byteorder=byteorder)
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 1
    read = [plane.read() for plane in planes_of([path])]
    np.testing.assert_array_equal(read, pages)
    assert {image.dtype for image in read} == {np.dtype(np.uint16)}


WELLS = (
    '<Plate ID="Plate:0"><Well ID="Well:0" Row="1" Column="2">'
    '<WellSample ID="a" Index="0"><ImageRef ID="Image:0"/></WellSample>'
    '<WellSample ID="b" Index="1"><ImageRef ID="Image:1"/></WellSample></Well>'
    '<Well ID="Well:1" Row="26" Column="11">'
    '<WellSample ID="c" Index="2"><ImageRef ID="Image:2"/></WellSample></Well></Plate><Image ID'
)


def test_fields_of_an_ome_tiff_have_wells_and_names_of_channels(tmp_path, rng):
    fields = rng.integers(0, 255, (3, 2, 30, 40), dtype=np.uint8)
    path = tmp_path / "p.ome.tif"
    with tifffile.TiffWriter(path) as file:
        for image in fields:
            names = {"Channel": {"Name": ["DNA", "Actin"]}}
            file.write(image, metadata={"axes": "CYX", **names})
    xml = tifffile.TiffFile(path).ome_metadata
    planes = planes_of([path])
    assert [plane.stem for plane in planes[:3]] == [
        *("p.ome_field0_ch0", "p.ome_field0_ch1", "p.ome_field1_ch0")
    ]
    tifffile.tiffcomment(path, xml.replace("<Image ID", WELLS, 1))
    planes = planes_of([path])
    assert [plane.stem for plane in planes] == [
        f"p.ome_{place}"
        for place in (
            *("B03_field0_ch0", "B03_field0_ch1", "B03_field1_ch0", "B03_field1_ch1"),
            *("AA12_field0_ch0", "AA12_field0_ch1"),
        )
    ]
    assert [plane.position["channel_name"] for plane in planes] == ["DNA", "Actin"] * 3
    np.testing.assert_array_equal([plane.read() for plane in planes], fields.reshape(6, 30, 40))


def test_a_file_of_a_set_of_ome_tiffs_gives_its_own_images(tmp_path, rng):
    images = rng.integers(0, 255, (2, 30, 40), dtype=np.uint8)
    uuids = [f"urn:uuid:0000000{number}-0000-0000-0000-000000000000" for number in range(2)]
    data = "".join(
        f'<TiffData FirstC="{number}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{number}.ome.tif">{uuid}</UUID></TiffData>'
        for number, uuid in enumerate(uuids)
    )
    for number, image in enumerate(images):
        xml = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuids[number]}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYZCT" Type="uint8" SizeX="40" SizeY="30" SizeZ="1" SizeC="2" '
            f'SizeT="1"><Channel ID="a"/><Channel ID="b"/>{data}</Pixels></Image></OME>'
        )
        written(tmp_path / f"{number}.ome.tif", image, description=xml, metadata=None)
    assert read_image(tmp_path / "0.ome.tif").shape == (2, 30, 40)
    planes = planes_of(sorted(tmp_path.iterdir()))
    assert [plane.name for plane in planes] == ["0.ome.tif", "1.ome.tif"]
    np.testing.assert_array_equal([plane.read() for plane in planes], images)


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 3), (30, 40, 4)])
def test_an_image_of_its_own_is_read_as_ever(tmp_path, rng, shape):
    path = written(tmp_path / "a.tif", rng.integers(0, 255, shape, dtype=np.uint8))
    (plane,) = planes_of([path])
    assert (plane.name, plane.stem, str(plane), plane.position) == ("a.tif", "a", str(path), {})
    np.testing.assert_array_equal(plane.read(), read_image(path))


def test_what_cannot_be_read_says_so_when_it_is_read(tmp_path, rng):
    path = written(tmp_path / "a.tif", rng.integers(0, 255, (30, 40), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:600])
    sentences = {
        path: "cannot be read as an image",
        tmp_path / "none.tif": "does not exist",
    }
    for given, sentence in sentences.items():
        (plane,) = planes_of([given])
        with pytest.raises(UserError, match=sentence):
            plane.read()


def test_a_folder_stands_for_its_images(tmp_path, rng):
    stack = rng.integers(0, 255, (2, 30, 40), dtype=np.uint8)
    written(tmp_path / "b.tif", stack, photometric="minisblack")
    written(tmp_path / "a.tif", stack[0])
    (tmp_path / "notes.txt").write_text("")
    assert [plane.name for plane in planes_of([tmp_path])] == ["a.tif", "b_page0", "b_page1"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="No PNG or TIFF image is in"):
        planes_of([tmp_path / "empty"])


def test_a_damaged_page_is_one_of_several_images(tmp_path, rng):
    pages = rng.integers(0, 255, (3, 30, 40), dtype=np.uint8)
    path = written(tmp_path / "a.tif", pages, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        offset, length = file.pages[1].dataoffsets[0], file.pages[1].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + length] = bytes(length)
    path.write_bytes(content)
    first, damaged, last = planes_of([path])
    np.testing.assert_array_equal([first.read(), last.read()], pages[::2])
    with pytest.raises(UserError, match=r"a\.tif cannot be read as an image"):
        damaged.read()


def test_pages_that_are_lost_are_named(tmp_path, rng):
    pages = rng.integers(0, 255, (8, 30, 40), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in pages:
            file.write(page, contiguous=False, metadata=None)
    path = tmp_path / "a.tif"
    path.write_bytes(path.read_bytes()[:5000])
    *planes, lost = planes_of([path])
    assert len(planes) == 4
    np.testing.assert_array_equal([plane.read() for plane in planes[:3]], pages[:3])
    with pytest.raises(UserError, match=r"a\.tif lacks its last pages"):
        lost.read()


def test_images_of_several_kinds_share_columns(tmp_path, rng):
    single = written(tmp_path / "a.tif", rng.integers(0, 255, (30, 40), dtype=np.uint8))
    pages = rng.integers(0, 255, (2, 30, 40), dtype=np.uint8)
    stack = written(tmp_path / "b.tif", pages, photometric="minisblack", metadata={"axes": "ZYX"})
    planes = planes_of([single, Path("none.png"), stack])
    columns = position_columns(planes)
    assert columns == ["file", "z", "frame"]
    assert [position_values(plane, columns) for plane in planes] == [
        *(["", "", ""], ["", "", ""], ["b.tif", 0, 0], ["b.tif", 1, 1])
    ]
