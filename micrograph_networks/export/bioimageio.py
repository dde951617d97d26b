"""Models as packages of bioimage.io, by version 0.5 of its specification.

https://github.com/bioimage-io/spec-bioimage-io
"""

import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from micrograph_networks import __version__
from micrograph_networks.export.graphs import Graph
from micrograph_networks.export.onnx_file import OPSET, write_onnx
from micrograph_networks.export.saved_model import write_saved_model
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.images.image_files import write_png
from micrograph_networks.models.registry import ShippedModel

FORMAT_VERSION = "0.5.4"
"""Of the specification."""
INPUT, OUTPUT = "image", "probabilities"
"""Names of the tensors, in all weights."""
TOLERANCE = 1e-3
"""By which probabilities may differ from those that the project itself computes."""


@dataclass(frozen=True)
class ZooModel:
    """What a package says of a network.

    Attributes
    ----------
    file_name : str
        Of the package, without its suffix.
    name, description : str
    documentation : str
        Markdown.
    shipped : ShippedModel or None
        The model, if it ships with the project: its card and its license go with it.
    tags : tuple of str
    cited : tuple of (str, str)
        Titles, and DOIs or addresses.
    graph : Graph
        The whole of it, from images to probabilities.
    channels : tuple of str
        Of the image.
    classes : tuple of str
        Of the probabilities.
    step : int
        Heights and widths of images are multiples of it, in pixels.
    pixels : int
        Of the image along a side of one position of the probabilities.
    test_image : ndarray of float32, (height, width, channels)
    test_probabilities : ndarray of float32, (rows, cols, classes)
        Of the test image, computed by the project itself.
    cover : ndarray of uint8, (height, width, 3)
        A picture of both.
    """

    file_name: str
    name: str
    description: str
    documentation: str
    shipped: Optional[ShippedModel]
    tags: Tuple[str, ...]
    cited: Tuple[Tuple[str, str], ...]
    graph: Graph
    channels: Tuple[str, ...]
    classes: Tuple[str, ...]
    step: int
    pixels: int
    test_image: np.ndarray
    test_probabilities: np.ndarray
    cover: np.ndarray


def write_package(path: Path, model: ZooModel) -> None:
    """Write a package with ONNX weights and a SavedModel.

    Parameters
    ----------
    path : Path
        Of the ZIP file.
    model : ZooModel

    Raises
    ------
    UserError
        The package onnx or TensorFlow is missing, or the file cannot be written.
    """
    names = (INPUT, OUTPUT)
    with TemporaryDirectory() as made:
        folder = Path(made)
        write_onnx(folder / "weights.onnx", model.graph, len(model.channels), names)
        version = write_saved_model(
            folder / "saved_model.zip", model.graph, len(model.channels), names
        )
        np.save(folder / "test_image.npy", model.test_image[None].astype(np.float32))
        probabilities = model.test_probabilities[None].astype(np.float32)
        np.save(folder / "test_probabilities.npy", probabilities)
        write_png(folder / "cover.png", model.cover)
        card = model.shipped.card.read_text(encoding="utf-8") if model.shipped else ""
        (folder / "README.md").write_text(model.documentation + card, encoding="utf-8")
        # JSON is YAML, too.
        described = json.dumps(_description(model, version), indent=2, ensure_ascii=False)
        (folder / "rdf.yaml").write_text(described, encoding="utf-8")
        with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for written in sorted(folder.iterdir()):
                archive.write(written, written.name, zipfile.ZIP_DEFLATED)


def _description(model: ZooModel, tensorflow_version: str) -> Dict[str, Any]:
    license = {"license": model.shipped.license} if model.shipped else {}
    return {
        "type": "model",
        "format_version": FORMAT_VERSION,
        # Of a file of one's own the name may hold what the specification does not allow.
        "name": re.sub(r"[^\w+() -]", "_", model.name, flags=re.ASCII),
        "description": model.description,
        "version": __version__,
        **license,
        "authors": [{"name": "The cellprofiler-focus-darkfield developers"}],
        "cite": [_citation(title, place) for title, place in model.cited],
        "tags": list(model.tags),
        "documentation": "README.md",
        "covers": ["cover.png"],
        "inputs": [_input(model)],
        "outputs": [_output(model)],
        "weights": {
            "onnx": {"source": "weights.onnx", "opset_version": OPSET},
            "tensorflow_saved_model_bundle": {
                "source": "saved_model.zip",
                "tensorflow_version": tensorflow_version,
                "parent": "onnx",
            },
        },
        "config": {
            "bioimageio": {
                "reproducibility_tolerance": [
                    {"relative_tolerance": TOLERANCE, "absolute_tolerance": TOLERANCE}
                ]
            }
        },
    }


def _citation(title: str, place: str) -> Dict[str, str]:
    return {"text": title, "url" if place.startswith("http") else "doi": place}


def _input(model: ZooModel) -> Dict[str, Any]:
    sizes = {"size": {"min": model.step, "step": model.step}}
    return {
        "id": INPUT,
        "axes": _axes([{"id": axis, **sizes} for axis in "yx"], model.channels),
        "test_tensor": {"source": "test_image.npy"},
        "data": {"type": "float32"},
    }


def _output(model: ZooModel) -> Dict[str, Any]:
    space = [
        {"id": axis, "size": {"tensor_id": INPUT, "axis_id": axis}, "scale": float(model.pixels)}
        for axis in "yx"
    ]
    return {
        "id": OUTPUT,
        "axes": _axes(space, model.classes),
        "test_tensor": {"source": "test_probabilities.npy"},
        "data": {"type": "float32", "range": [0, 1]},
    }


def _axes(space: List[Dict[str, Any]], channels: Sequence[str]) -> List[Dict[str, Any]]:
    named = [name.replace(" ", "_") for name in channels]  # they have to be identifiers
    return [
        {"type": "batch"},
        *({"type": "space", **axis} for axis in space),
        {"type": "channel", "channel_names": named},
    ]
