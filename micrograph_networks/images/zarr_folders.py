"""Metadata of Zarr folders, read and checked before the package zarr opens an array.

A Zarr names the codecs that decode it. Some of them run code from the data, such as ``pickle``, so
only codecs of numbers are allowed. No path may lead out of the folder.
"""

import contextlib
import json
import math
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.files.ownership import allow_replacing
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.images.limits import LARGEST_METADATA, check_size

COMPRESSORS = ("blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd")
"""Compressors by their names in Zarr 2."""
FILTERS = (
    *("adler32", "astype", "bitround", "crc32", "delta", "fixedscaleoffset", "fletcher32"),
    *("packbits", "quantize", "shuffle"),
)
"""Filters of numbers by their names in Zarr 2."""
CODECS = (
    *("blosc", "bytes", "crc32c", "gzip", "transpose", "zstd"),
    *(f"numcodecs.{name}" for name in (*COMPRESSORS, *FILTERS)),
)
"""Codecs by their names in Zarr 3; sharding is allowed as well."""
SHARDING = "sharding_indexed"
"""Codec of Zarr 3 that contains codecs."""
MOST_CHUNKS = 2**16
"""Maximum number of chunks of an image, or in a shard."""
NAME = re.compile(r"\w[\w.-]*")
"""Name of a row, column or field, which becomes a part of file names."""


@dataclass(frozen=True)
class ZarrArray:
    """Checked array of a Zarr.

    Attributes
    ----------
    folder : Path
    shape : tuple of int
    """

    folder: Path
    shape: Tuple[int, ...]


def inside(root: Path, *parts: str) -> Path:
    """Return a path below the root without links.

    Parameters
    ----------
    root : Path
        Folder without links in its path.
    *parts : str
        Parts of the path, relative to the root.

    Raises
    ------
    UserError
        It leads out of the root.
    """
    found = root.joinpath(*parts).resolve()
    if root != found and root not in found.parents:
        raise UserError(f"{'/'.join(parts)} leads out of the folder: copy it into the folder.")
    return found


def check_name(name: str) -> str:
    """Return the name of a row, column or field; raise UserError if it is not one."""
    if not NAME.fullmatch(name):
        raise UserError(f"{name!r} is not the name of a row, column or field: rename it.")
    return name


def read_attributes(root: Path, path: str) -> Dict[str, Any]:
    """Return the attributes of a group, without NGFF 0.5's level "ome"; empty if there are none."""
    metadata = _read_json(root, path, "zarr.json")
    attributes = metadata.get("attributes", {}) if metadata else _read_json(root, path, ".zattrs")
    return attributes.get("ome", attributes)


def write_attribute(root: Path, path: str, key: str, value: Any) -> None:
    """Set an attribute of a group and keep everything else of it.

    Parameters
    ----------
    root : Path
        Folder of the Zarr without links in its path.
    path : str
    key : str
    value : object
        Value for JSON.

    Raises
    ------
    UserError
        The file of the attributes cannot be written. It then stays as it was.
    """
    is_new = bool(_read_json(root, path, "zarr.json"))
    name = "zarr.json" if is_new else ".zattrs"
    metadata = _read_json(root, path, name)
    (metadata.setdefault("attributes", {}) if is_new else metadata)[key] = value
    file = inside(root, path, name)
    allow_replacing(file)
    with atomic_write(file) as temporary:
        temporary.write_text(json.dumps(metadata, indent=2), encoding="utf-8")


def read_array(root: Path, path: str) -> ZarrArray:
    """Check an array whose last axes are y and x, so that the package zarr can open it.

    Parameters
    ----------
    root : Path
        Folder of the Zarr without links in its path.
    path : str

    Raises
    ------
    UserError
        A codec or data type is not allowed, a file leads out of the folder, or the array claims
        more than its files can hold.
    """
    folder = inside(root, path)
    shapes = []
    # zarr takes one of the two files if there are both, so both are checked.
    old, new = _read_json(root, path, ".zarray"), _read_json(root, path, "zarr.json")
    if old:
        shapes.append(_check_old(old))
    if new:
        shapes.append(_check_new(new))
    if not shapes:
        raise ValueError(f"{path} has no array")
    stored = _stored_bytes(root, folder)
    for shape, chunk, itemsize in shapes:
        check_size(shape[-2:], itemsize, stored)
        check_size((chunk[-2], math.prod(chunk) // chunk[-2]), itemsize, stored)
        _check_count(shape[-2:], chunk[-2:])
    return ZarrArray(folder, tuple(shapes[-1][0]))


def read_text(root: Path, path: str, name: str) -> str:
    """Return the text of a file of a group or array; empty if there is no file."""
    file = inside(root, path, name)
    if not file.is_file():
        return ""
    if file.stat().st_size > LARGEST_METADATA:
        raise UserError(f"{name} has more than {LARGEST_METADATA} bytes: write it again.")
    return file.read_text(encoding="utf-8")


def _read_json(root: Path, path: str, name: str) -> Dict[str, Any]:
    """Return the JSON object in a file of a group or array; empty if there is no file."""
    text = read_text(root, path, name)
    metadata = json.loads(text) if text else {}
    if not isinstance(metadata, dict):
        raise ValueError(f"{name} is not a JSON object")
    return metadata


def _check_old(metadata: Dict[str, Any]) -> Tuple[List[int], List[int], int]:
    """Check the metadata of an array in Zarr 2; return its shape, chunks and bytes per value."""
    dtype = _check_dtype(metadata["dtype"])
    if metadata.get("compressor") is not None:
        _check_codec(metadata["compressor"], "id", COMPRESSORS)
    for codec in metadata.get("filters") or []:
        _check_codec(codec, "id", FILTERS)
    return (*_check_shapes(metadata["shape"], metadata["chunks"]), dtype.itemsize)


def _check_new(metadata: Dict[str, Any]) -> Tuple[List[int], List[int], int]:
    """Check the metadata of an array in Zarr 3; return its shape, chunks and bytes per value."""
    dtype = _check_dtype(metadata["data_type"])
    if metadata.get("storage_transformers"):
        raise ValueError("it has storage transformers, which are not supported")
    if metadata["chunk_grid"]["name"] != "regular":
        raise ValueError(f"its chunks are {metadata['chunk_grid']['name']}, not regular")
    chunks = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    return (
        *_check_shapes(metadata["shape"], _check_chain(metadata["codecs"], chunks)),
        dtype.itemsize,
    )


def _check_chain(codecs: List[Any], chunk: List[int]) -> List[int]:
    """Check the codecs of Zarr 3 and return the shape of the chunks inside shards."""
    for codec in codecs:
        if isinstance(codec, dict) and codec.get("name") == SHARDING:
            sharding = codec["configuration"]
            _check_chain(sharding["index_codecs"], [])
            _check_count(*_check_shapes(chunk, sharding["chunk_shape"]))
            chunk = _check_chain(sharding["codecs"], sharding["chunk_shape"])
        else:
            _check_codec({"name": codec} if isinstance(codec, str) else codec, "name", CODECS)
    return chunk


def _check_codec(codec: Dict[str, Any], key: str, allowed: Sequence[str]) -> None:
    if codec[key] not in allowed:
        raise UserError(f"The codec {codec[key]!r} is not allowed: export it with blosc or zstd.")
    for name, value in {**codec, **(codec.get("configuration") or {})}.items():
        if name in ("dtype", "astype", "encode_dtype", "decode_dtype"):
            _check_dtype(value)


def _check_dtype(name: Any) -> np.dtype:
    dtype = None
    if isinstance(name, str):
        with contextlib.suppress(TypeError):
            dtype = np.dtype(name)
    if dtype is None or dtype.kind not in "biuf":
        raise UserError(f"The data type {name!r} is not a real number: export it as integers.")
    return dtype


def _check_shapes(shape: Any, chunk: Any) -> Tuple[List[int], List[int]]:
    for lengths in (shape, chunk):
        if not isinstance(lengths, list) or len(lengths) < 2:
            raise ValueError(f"its shape is {lengths}")
        if not all(isinstance(length, int) and length > 0 for length in lengths):
            raise ValueError(f"its shape is {lengths}")
    if len(shape) != len(chunk):
        raise ValueError(f"its shape is {shape}, but that of its chunks is {chunk}")
    return shape, chunk


def _check_count(shape: Sequence[int], chunk: Sequence[int]) -> None:
    count = math.prod(-(-length // step) for length, step in zip(shape, chunk))
    if count > MOST_CHUNKS:
        raise UserError(
            f"An image claims {count} chunks, more than {MOST_CHUNKS}: export it in larger chunks."
        )


def _stored_bytes(root: Path, folder: Path) -> int:
    """Return the size of all files; raise UserError if one is special or leads out of the root."""
    total = 0
    for directory, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(directory, name)
            found = os.lstat(path)
            if stat.S_ISLNK(found.st_mode):
                found = os.stat(inside(root, path))
            if stat.S_ISREG(found.st_mode):
                total += found.st_size
            elif not stat.S_ISDIR(found.st_mode):
                raise UserError(f"{name} is not a regular file: delete it.")
    return total
