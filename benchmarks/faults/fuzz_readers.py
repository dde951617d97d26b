"""Read damaged TIFF, PNG, JPEG and OME-Zarr files until the time is over.

    python benchmarks/faults/fuzz_readers.py --minutes 60

TIFF tags, OME-XML, the metadata of ImageJ and the JSON of OME-Zarr get wild values; others are
truncated, or bits are flipped. Each file must be read or refused by a UserError in one sentence,
within 20 seconds and with at most 1 GB of additional memory. Other cases are printed, and the exit
code is 1. A case is repeated by --seed and --first with its number.
"""

import argparse
import itertools
import json
import re
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import tifffile
from isolation import Isolated
from mutations import damaged

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from micrograph_networks.errors import UserError
from micrograph_networks.images.planes import planes_of

SECONDS = 20
"""Time limit of a case."""
MOST_MEMORY = 10**9
"""Maximum of additional memory in bytes."""
NUMBERS = (0, 1, 2, 3, 4, 7, 8, 255, 256, 65535, 65536, 10**6, 2**31 - 1, 2**31, 2**32 - 1)
"""Wild values of a tag."""
TEXTS = ("", "0", "-1", "3", "1000000000", "9" * 30, "nan", "1e308", "../a", "/etc/passwd", "é\0")
"""Wild values of an attribute in XML and of a text in JSON."""
VALUES = (*NUMBERS, *TEXTS, -1, 1.5, None, True, [], {}, [0], [[1]], {"id": "pickle"}, "|O", "<f16")
"""Wild values in JSON."""
SHAPE = (24, 32)


def main():
    """Run cases until the time is over and print a table as CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="time to spend (10)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the damages (0)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (0)")
    arguments = parser.parse_args()
    counts = {kind.__name__: Counter() for kind in KINDS}
    failed = 0
    end = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as folder, Isolated(warm_up, seconds=SECONDS) as isolated:
        for number in itertools.count(arguments.first):
            if time.monotonic() > end:
                break
            kind = KINDS[number % len(KINDS)]
            case = Path(folder, str(number))
            try:
                outcome = isolated.call(run, kind, case, arguments.seed, number)
            except AssertionError as error:
                outcome = "broke the rule"
                failed += 1
                print(f"{kind.__name__}, case {number}: {error}\n", flush=True)
            counts[kind.__name__][outcome] += 1
    print("what,cases,refused,read,broke the rule")
    for name, count in counts.items():
        cells = [count[outcome] for outcome in ("refused", "read", "broke the rule")]
        print(name.replace("_", " "), sum(cells), *cells, sep=",")
    sys.exit(bool(failed))


def warm_up():
    """Read a valid file of each kind, so that the packages are loaded."""
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(KINDS):
            run(kind, Path(folder, str(number)), 0, number)


def run(kind, folder, seed, number):
    """Write a damaged file of a kind, read its planes, and return "read" or "refused"."""
    folder.mkdir()
    path = kind(folder, np.random.default_rng((seed, number)))
    before = _peak_memory()
    outcome = "read"
    planes = planes_of([path])
    for plane in planes[:3] + planes[-3:]:
        try:
            image = plane.read()
        except UserError as error:
            outcome = "refused"
            assert "\n" not in str(error) and len(str(error)) < 1000, f"long: {error}"
            assert str(path) in str(error), f"without a path: {error}"
        else:
            assert image.ndim in (2, 3) and image.size, image.shape
            assert image.dtype.kind in "biuf", image.dtype
    memory = _peak_memory() - before
    assert memory < MOST_MEMORY, f"{memory / 1e9:.1f} GB"
    return outcome


def _peak_memory():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def tiff_tags(folder, rng):
    """Give wild values to 1 to 3 numbers in the tags of a TIFF."""
    path = _tiff(folder, rng)
    content = bytearray(path.read_bytes())
    (offset,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, offset)
    for _ in range(rng.integers(1, 4)):
        start = offset + 2 + 12 * int(rng.integers(count))
        form, shift = (("<H", 0), ("<H", 2), ("<I", 4), ("<I", 8), ("<I", 8))[rng.integers(5)]
        value = int(rng.choice(NUMBERS)) % 2 ** (8 * struct.calcsize(form))
        struct.pack_into(form, content, start + shift, value)
    path.write_bytes(content)
    return path


def tiff_bytes(folder, rng):
    """Truncate a TIFF or flip bits."""
    path = _tiff(folder, rng)
    path.write_bytes(damaged(path.read_bytes(), rng))
    return path


def tiff_descriptions(folder, rng):
    """Give wild values to 1 to 3 attributes or numbers in the metadata of a stack."""
    stack = rng.integers(0, 255, (2, 3, *SHAPE), dtype=np.uint8)
    path = folder / "a.tif"
    kind = rng.integers(3)
    if kind == 0:
        channels = {"Channel": {"Name": ["a", "b"]}, "SignificantBits": 8}
        tifffile.imwrite(path, stack, ome=True, metadata={"axes": "CZYX", **channels})
        pattern = r'="[^"]*"'
    else:
        tifffile.imwrite(path, stack, imagej=kind == 1, metadata={"axes": "ZCYX"})
        pattern = r"\d+"
    with tifffile.TiffFile(path) as file:
        text = file.pages[0].description
    for _ in range(rng.integers(1, 4)):
        found = list(re.finditer(pattern, text))
        start, end = found[rng.integers(len(found))].span()
        value = str(rng.choice(TEXTS))
        text = text[:start] + (f'="{value}"' if kind == 0 else value) + text[end:]
        if rng.random() < 0.1:
            text = text.replace("<TiffData", '<TiffData FirstZ="0" PlaneCount="1000000000"', 1)
    tifffile.tiffcomment(path, text.encode("utf-8", errors="replace"))
    return path


def other_images(folder, rng):
    """Truncate a PNG or JPEG, flip bits, or give it a large size."""
    import imagecodecs

    codec = str(rng.choice(["png", "jpeg8", "bmp", "gif", "jpeg2k"]))
    path = folder / f"a.{codec}"
    imagecodecs.imwrite(path, rng.integers(0, 255, SHAPE, dtype=np.uint8), codec=codec)
    path.write_bytes(damaged(path.read_bytes(), rng))
    return path


def zarr_metadata(folder, rng):
    """Give wild values to 1 to 3 places in the JSON files of an OME-Zarr."""
    path = folder / "a.zarr"
    _write_zarr(path, rng)
    files = [file for file in path.rglob("*") if file.name in (".zattrs", ".zarray", "zarr.json")]
    for _ in range(rng.integers(1, 4)):
        file = files[rng.integers(len(files))]
        metadata = json.loads(file.read_text())
        places = list(_places(metadata))
        if not places:
            continue
        holder, key = places[rng.integers(len(places))]
        if rng.random() < 0.2:
            del holder[key]
        else:
            holder[key] = VALUES[rng.integers(len(VALUES))]
        file.write_text(json.dumps(metadata))
    if rng.random() < 0.1:
        files[0].write_bytes(damaged(files[0].read_bytes(), rng))
    return path


KINDS = (tiff_tags, tiff_descriptions, zarr_metadata, tiff_bytes, other_images)


def _tiff(folder, rng):
    gray = rng.integers(0, 255, SHAPE, dtype=np.uint8)
    color = np.dstack([gray, gray // 2, gray // 3])
    colors = np.stack([np.arange(256, dtype=np.uint16)] * 3) * 200
    images = (
        (gray, {}),
        (gray.astype(np.uint16) * 9, {"compression": "zlib", "predictor": True}),
        (gray, {"photometric": "palette", "colormap": colors}),
        (gray, {"photometric": "miniswhite", "compression": "lzw"}),
        (color, {"photometric": "rgb", "tile": (16, 16), "compression": "zlib"}),
        (color, {"photometric": "rgb", "compression": "jpeg"}),
        (np.moveaxis(color, -1, 0), {"photometric": "rgb", "planarconfig": "separate"}),
        (np.dstack([color, gray]), {"photometric": "separated"}),
        (color, {"photometric": "ycbcr"}),
        (np.stack([gray] * 4), {"photometric": "minisblack"}),
        (gray / np.float32(255), {"compression": "zstd"}),
        (gray > 99, {"extratags": [(281, "H", 1, 4095, True), (274, "H", 1, 6, True)]}),
    )
    image, options = images[rng.integers(len(images))]
    tifffile.imwrite(folder / "a.tif", image, metadata=None, **options)
    return folder / "a.tif"


def _write_zarr(path, rng):
    import zarr

    is_old = zarr.__version__.startswith("2.")
    version = 2 if is_old or rng.random() < 0.5 else 3
    group = zarr.open_group(str(path), mode="w", **({} if is_old else {"zarr_format": version}))
    image = rng.integers(0, 65535, (2, *SHAPE), dtype=np.uint16)
    scales = {"datasets": [{"path": "0"}], "axes": [{"name": axis} for axis in "cyx"]}
    is_plate = rng.random() < 0.5
    field = group.require_group("B/3/0") if is_plate else group
    if is_plate:
        _describe(group, version, plate={"wells": [{"path": "B/3"}]})
        _describe(group["B/3"], version, well={"images": [{"path": "0"}]})
    _describe(field, version, multiscales=[scales], omero={"channels": [{"label": "a"}]})
    chunks = (1, 16, 16)
    if is_old:
        field.create_dataset("0", data=image, chunks=chunks, filters=[_delta()])
    else:
        shards = {"shards": (2, 32, 32)} if version == 3 and rng.random() < 0.5 else {}
        field.create_array("0", data=image, chunks=chunks, **shards)


def _delta():
    from numcodecs import Delta

    return Delta("<u2")


def _describe(group, version, **attributes):
    group.attrs.update({"ome": {"version": "0.5", **attributes}} if version == 3 else attributes)


def _places(value):
    """Yield every place in a JSON value, as its holder and its key."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


if __name__ == "__main__":
    main()
