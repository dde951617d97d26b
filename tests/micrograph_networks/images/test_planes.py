import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_image
from micrograph_networks.images.planes import planes_of, position_columns, position_values

GRAY = {"photometric": "minisblack"}


def write(path, image, **options):
    tifffile.imwrite(path, image, **options)
    return path


def check(path, names, images):
    """Check the names and pixels of the planes of a file, and return the planes."""
    planes = planes_of([path])
    assert [plane.name for plane in planes] == names
    for plane, image in zip(planes, images):
        np.testing.assert_array_equal(plane.read(), image)
    return planes


@pytest.fixture
def pages(rng):
    return rng.integers(0, 255, (5, 12, 16), dtype=np.uint8)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_hyperstack_has_named_planes(tmp_path, rng, name, compression):
    stack = rng.integers(0, 65535, (2, 2, 11, 12, 16), dtype=np.uint16)
    options = {"metadata": {"axes": "TCZYX"}}
    written = stack
    if name == "a.tif":
        options = {"metadata": {"axes": "TZCYX"}, "imagej": True}
        written = stack.swapaxes(1, 2)
    path = write(tmp_path / name, written, compression=compression, **options)
    by_name = {plane.name: plane for plane in planes_of([path])}
    assert sorted(by_name) == [
        f"{path.stem}_time{time}_ch{channel}_z{z:02}"
        for time in range(2)
        for channel in range(2)
        for z in range(11)
    ]
    for frame, plane in enumerate(by_name.values()):
        index = tuple(plane.position[axis] for axis in ("timepoint", "channel", "z"))
        np.testing.assert_array_equal(plane.read(), stack[index])
        assert position_values(plane, position_columns([plane])) == [name, *index, frame]


@pytest.mark.parametrize("shape, photometric", [((3, 9, 8), "minisblack"), ((3, 9, 8, 3), "rgb")])
def test_pages_are_planes(tmp_path, rng, shape, photometric):
    pages = rng.integers(0, 255, shape, dtype=np.uint8)
    path = write(tmp_path / "a.tif", pages, metadata=None, photometric=photometric)
    planes = check(path, ["a_page0", "a_page1", "a_page2"], pages)
    assert planes[1].position == {"file": "a.tif", "page": 1, "frame": 1}


def test_pages_of_several_sizes_are_fields_and_previews_are_ignored(tmp_path, pages):
    images = [pages[0], pages[1, :10, :10], pages[2, :5, :5]]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for image, preview in zip(images, (0, 0, 1)):
            file.write(image, metadata=None, subfiletype=preview)
    planes = check(tmp_path / "a.tif", ["a_field0", "a_field1"], images)
    assert not any("frame" in plane.position for plane in planes)


@pytest.mark.parametrize(
    "count, planar, options",
    [
        (5, "separate", {**GRAY, "metadata": {"axes": "SYX"}}),
        (3, "separate", GRAY),
        (5, "contig", GRAY),
    ],
)
def test_samples_that_are_not_colors_are_channels(tmp_path, pages, count, planar, options):
    image = np.moveaxis(pages, 0, -1) if planar == "contig" else pages[:count]
    path = write(tmp_path / "a.tif", image, planarconfig=planar, **options)
    planes = check(path, [f"a_ch{number}" for number in range(count)], pages)
    assert not any("frame" in plane.position for plane in planes)


@pytest.mark.parametrize(
    "options, frames",
    [
        ({"byteorder": "<", **GRAY}, [0, None, None, None, None]),
        ({"byteorder": ">", **GRAY}, [0, None, None, None, None]),
        ({"imagej": True}, [0, 1, 2, 3, 4]),
    ],
)
def test_stack_described_by_its_first_page_is_read(tmp_path, pages, options, frames):
    path = write(tmp_path / "a.tif", pages.astype(np.uint16), truncate=True, **options)
    planes = planes_of([path])
    assert [plane.position.get("frame") for plane in planes] == frames
    assert {plane.read().dtype for plane in planes} == {np.dtype(np.uint16)}
    np.testing.assert_array_equal([plane.read() for plane in planes], pages)


WELLS = (
    '<Plate ID="Plate:0"><Well ID="Well:0" Row="1" Column="2">'
    '<WellSample ID="a" Index="0"><ImageRef ID="Image:0"/></WellSample>'
    '<WellSample ID="b" Index="1"><ImageRef ID="Image:1"/></WellSample></Well>'
    '<Well ID="Well:1" Row="26" Column="11">'
    '<WellSample ID="c" Index="2"><ImageRef ID="Image:2"/></WellSample></Well></Plate><Image ID'
)


def test_ome_tiff_has_wells_and_channel_names(tmp_path, rng):
    fields = rng.integers(0, 255, (3, 2, 12, 16), dtype=np.uint8)
    path = tmp_path / "p.ome.tif"
    with tifffile.TiffWriter(path) as file:
        for image in fields:
            names = {"Channel": {"Name": ["DNA", "Actin"]}}
            file.write(image, metadata={"axes": "CYX", **names})
    images = fields.reshape(6, 12, 16)
    names = [f"p.ome_field{field}_ch{channel}" for field in range(3) for channel in range(2)]
    check(path, names, images)
    xml = tifffile.TiffFile(path).ome_metadata
    tifffile.tiffcomment(path, xml.replace("<Image ID", WELLS, 1))
    fields = ("B03_field0", "B03_field1", "AA12_field0")
    names = [f"p.ome_{field}_ch{channel}" for field in fields for channel in range(2)]
    planes = check(path, names, images)
    assert [plane.position["channel_name"] for plane in planes] == ["DNA", "Actin"] * 3


def test_file_of_an_ome_tiff_set_has_only_its_own_images(tmp_path, pages):
    uuids = [f"urn:uuid:0000000{number}-0000-0000-0000-000000000000" for number in range(2)]
    data = "".join(
        f'<TiffData FirstC="{number}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{number}.ome.tif">{uuid}</UUID></TiffData>'
        for number, uuid in enumerate(uuids)
    )
    for number, uuid in enumerate(uuids):
        xml = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuid}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYZCT" Type="uint8" SizeX="16" SizeY="12" SizeZ="1" SizeC="2" '
            f'SizeT="1"><Channel ID="a"/><Channel ID="b"/>{data}</Pixels></Image></OME>'
        )
        write(tmp_path / f"{number}.ome.tif", pages[number], description=xml, metadata=None)
    np.testing.assert_array_equal(read_image(tmp_path / "0.ome.tif"), pages[0])
    for number in range(2):
        check(tmp_path / f"{number}.ome.tif", [f"{number}.ome.tif"], [pages[number]])


def ome_xml(data, width=16, depth=1):
    return (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="{width}" SizeY="12" '
        f'SizeZ="{depth}" SizeC="1" SizeT="1"><Channel ID="a"/>{data}</Pixels></Image></OME>'
    )


@pytest.mark.parametrize("name", ["../secret.tif", "secret.tif", "{folder}/secret.tif"])
def test_only_the_given_file_is_read(tmp_path, pages, name):
    (tmp_path / "given").mkdir()
    for folder in (tmp_path, tmp_path / "given"):
        write(folder / "secret.tif", pages[1])
    uuid = f'<UUID FileName="{name.format(folder=tmp_path)}">urn:uuid:0</UUID>'
    data = f'<TiffData IFD="0" PlaneCount="1">{uuid}</TiffData>'
    xml = ome_xml(f"<TiffData><UUID>urn:uuid:1</UUID></TiffData>{data}")
    given = write(tmp_path / "given" / "a.ome.tif", pages[0], description=xml, metadata=None)
    check(given, ["a.ome.tif"], [pages[0]])
    np.testing.assert_array_equal(read_image(given), pages[0])


@pytest.mark.parametrize("description", ["", "<?xml?><OME x></OME>"])
def test_pages_in_a_circle_are_named(tmp_path, pages, description):
    path = write(tmp_path / "a.tif", pages[0], description=description or None, metadata=None)
    content = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", content, 4)
    (tags,) = struct.unpack_from("<H", content, first)
    struct.pack_into("<I", content, first + 2 + 12 * tags, first)
    path.write_bytes(content)
    (plane,) = planes_of([path])
    with pytest.raises(UserError, match="circular|lacks its last pages"):
        plane.read()


BIG = 10**9


@pytest.mark.parametrize(
    "name, description, problem",
    [
        ("a.tif", f"ImageJ=1.53\nimages={BIG}\nslices={BIG}\n", "more than 500000"),
        ("a.tif", f"ImageJ=1.53\nimages={BIG}\nchannels={BIG}\nslices=many\n", "whole numbers"),
        ("a.tif", f'{{"shape": [{BIG}, "many"]}}', "whole numbers"),
        ("a.tif", f'{{"shape": [{BIG}, 12, 16]}}', "more than 500000"),
        ("a.tif", '{"shape": [90, 12, 16]}', "contains 1"),
        ("a.tif", "ImageJ=1.53\nimages=90\nslices=90\n", "contains 1"),
        ("a.ome.tif", ome_xml("<TiffData/>", depth=BIG), "more than 500000"),
        ("a.ome.tif", ome_xml("<TiffData/>", width=BIG), "more than 500000"),
        ("a.ome.tif", ome_xml(f'<TiffData PlaneCount="{BIG}"/>'), "more than 500000"),
        ("a.ome.tif", f'<!DOCTYPE a [<!ENTITY a "a">]>{ome_xml("")}', "document type"),
    ],
)
def test_claimed_planes_are_compared_with_the_file(tmp_path, pages, name, description, problem):
    path = write(tmp_path / name, pages[0], description=description, metadata=None)
    *others, last = planes_of([path])
    assert len(others) <= 1
    with pytest.raises(UserError, match=problem):
        last.read()


def test_image_without_pixels_is_named(tmp_path, pages):
    path = write(tmp_path / "a.tif", pages[0])
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ImageWidth"].overwrite(0)
    with pytest.raises(UserError, match=r"a\.tif: The image has no pixels"):
        read_image(path)


@pytest.mark.parametrize("tag", ["ImageLength", "TileLength"])
def test_claimed_size_is_compared_with_the_file(tmp_path, pages, tag):
    image = np.tile(pages[0], (2, 2))
    path = write(tmp_path / "a.tif", image, tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags[tag].overwrite(65520)
        file.pages[0].tags[tag.replace("Length", "Width")].overwrite(8192)
    with pytest.raises(UserError, match=r"a\.tif: The image claims 8192x65520 pixels in"):
        read_image(path)


def test_claimed_size_of_a_jpeg_in_a_tiff_is_compared_with_it(tmp_path, pages):
    path = write(tmp_path / "a.tif", pages[0], compression="jpeg")
    read_image(path)
    start, content = path.read_bytes().partition(b"\xff\xc0\x00\x0b\x08")[::2]
    path.write_bytes(start + b"\xff\xc0\x00\x0b\x08\x7f\xff\x7f\xff" + content[4:])
    with pytest.raises(UserError, match=r"a\.tif: The image claims 32767x32767 pixels in"):
        read_image(path)


def test_more_pages_than_claimed_are_named(tmp_path, pages):
    text = "ImageJ=1.53\nimages=2\nslices=2\n"
    path = write(tmp_path / "a.tif", pages, description=text, metadata=None, **GRAY)
    *_, last = planes_of([path])
    with pytest.raises(UserError, match=r"a\.tif claims 2 images and contains 5"):
        last.read()


def test_ome_xml_that_is_damaged_is_ignored(tmp_path, pages):
    text = ome_xml("<TiffData/>").replace("Pixels ID", "Pixels <ID")
    check(write(tmp_path / "a.ome.tif", pages[0], description=text), ["a.ome.tif"], pages[:1])


def test_modulo_annotations_are_compared_with_the_limit(tmp_path, pages):
    along = f'<ModuloAlongZ Type="phase" Start="0" End="{BIG}"/>'
    path = write(tmp_path / "a.ome.tif", pages[0], description=ome_xml(along), metadata=None)
    with pytest.raises(UserError, match="more than 500000"):
        read_image(path)


def test_image_that_is_deleted_after_it_was_listed_is_named(tmp_path, pages):
    path = write(tmp_path / "a.tif", pages[0])
    (plane,) = planes_of([path])
    path.unlink()
    with pytest.raises(UserError, match=r"a\.tif does not exist"):
        plane.read()


def test_unknown_compression_is_named(tmp_path, pages):
    path = write(tmp_path / "a.tif", pages[0], compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["Compression"].overwrite(34934)
    with pytest.raises(UserError, match=r"its compression \S+ is not supported"):
        read_image(path)


@pytest.mark.parametrize("shape", [(12, 16), (12, 16, 3), (12, 16, 4)])
def test_single_image_is_one_plane(tmp_path, rng, shape):
    image = rng.integers(0, 255, shape, dtype=np.uint8)
    path = write(tmp_path / "a.tif", image)
    (plane,) = check(path, ["a.tif"], [image])
    assert (plane.stem, str(plane), plane.position) == ("a", str(path), {})


def test_folder_has_the_planes_of_its_images(tmp_path, pages):
    write(tmp_path / "b.tif", pages[:2], **GRAY)
    write(tmp_path / "a.tif", pages[0])
    (tmp_path / "notes.txt").write_text("")
    check(tmp_path, ["a.tif", "b_page0", "b_page1"], pages[[0, 0, 1]])


def test_pyramid_of_a_slide_scanner_is_its_full_resolution(tmp_path, rng):
    slide = rng.integers(0, 255, (128, 128, 3), dtype=np.uint8)
    text = "Aperio Image Library v1\r\n128x128 [0,0 128x128] (64x64)"
    with tifffile.TiffWriter(tmp_path / "a.svs") as file:
        file.write(slide, tile=(64, 64), description=text, metadata=None)
        file.write(slide[::4, ::4], description="Aperio thumbnail", metadata=None)
        file.write(slide[::2, ::2], tile=(64, 64), description=f"{text} -> 64x64", metadata=None)
        file.write(slide[:9], description="Aperio\r\nlabel", metadata=None, subfiletype=1)
    check(tmp_path / "a.svs", ["a.svs"], [slide])


def test_pyramid_of_ome_tiff_is_its_full_resolution(tmp_path, rng):
    stack = rng.integers(0, 65535, (2, 64, 64), dtype=np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        file.write(stack, subifds=1, metadata={"axes": "CYX"}, tile=(16, 16), **GRAY)
        file.write(stack[:, ::2, ::2], subfiletype=1, tile=(16, 16), **GRAY)
    check(tmp_path / "a.ome.tif", ["a.ome_ch0", "a.ome_ch1"], stack)


def test_planar_samples_of_an_lsm_are_channels(tmp_path, rng):
    stack = rng.integers(0, 255, (2, 3, 12, 16), dtype=np.uint8)
    header = struct.pack("<8i", 0x400494C, 512, 16, 12, 2, 3, 1, 1).ljust(512, b"\0")
    with tifffile.TiffWriter(tmp_path / "a.lsm") as file:
        for number, samples in enumerate(stack):
            tags = [] if number else [(34412, "B", 512, header, True)]
            options = {"photometric": "rgb", "planarconfig": "separate", "metadata": None}
            file.write(samples, extratags=tags, **options)
            file.write(samples[:, ::4, ::4], subfiletype=1, **options)
    names = [f"a_ch{channel}_z{z}" for z in range(2) for channel in range(3)]
    check(tmp_path / "a.lsm", names, stack.reshape(6, 12, 16))


def test_unreadable_file_raises_when_it_is_read(tmp_path, pages):
    damaged = write(tmp_path / "a.tif", pages[0])
    damaged.write_bytes(damaged.read_bytes()[:200])
    damaged, missing = planes_of([damaged, tmp_path / "none.tif"])
    with pytest.raises(UserError, match="cannot be read as an image"):
        damaged.read()
    with pytest.raises(UserError, match="does not exist"):
        missing.read()


@pytest.mark.parametrize(
    "shape, count",
    [((9, 7, 1), 1), ((9, 1, 1), 1), ((1, 7, 1), 1), ((1, 9, 7, 1, 1), 1), ((2, 9, 7, 1), 2)],
)
def test_axes_of_one_pixel_at_the_end_are_ignored(tmp_path, shape, count):
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    images = [plane.read() for plane in planes_of([tmp_path / "a.tif"])]
    np.testing.assert_array_equal(images, array.reshape(count, *images[0].shape))
    assert len(images) == count


def test_damaged_page_does_not_affect_the_others(tmp_path, pages):
    path = write(tmp_path / "a.tif", pages[:3], compression="zlib", **GRAY)
    with tifffile.TiffFile(path) as file:
        offset, length = file.pages[1].dataoffsets[0], file.pages[1].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + length] = bytes(length)
    path.write_bytes(content)
    first, damaged, last = planes_of([path])
    np.testing.assert_array_equal([first.read(), last.read()], pages[[0, 2]])
    with pytest.raises(UserError, match=r"a\.tif cannot be read as an image"):
        damaged.read()


def test_lost_pages_are_named(tmp_path, pages):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for page in pages:
            file.write(page, contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as file:
        path.write_bytes(path.read_bytes()[: file.pages[3].offset])
    *planes, lost = planes_of([path])
    assert len(planes) == 3
    np.testing.assert_array_equal([plane.read() for plane in planes], pages[:3])
    with pytest.raises(UserError, match=r"a\.tif lacks its last pages"):
        lost.read()


def test_files_of_several_kinds_share_columns(tmp_path, pages):
    single = write(tmp_path / "a.tif", pages[0])
    stack = write(tmp_path / "b.tif", pages[:2], metadata={"axes": "ZYX"}, **GRAY)
    planes = planes_of([single, Path("none.png"), stack])
    columns = position_columns(planes)
    assert columns == ["file", "z", "frame"]
    assert [position_values(plane, columns) for plane in planes] == [
        *(["", "", ""], ["", "", ""], ["b.tif", 0, 0], ["b.tif", 1, 1])
    ]
