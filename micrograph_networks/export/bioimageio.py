"""Packages for bioimage.io, with ONNX weights and a TensorFlow SavedModel."""

import dataclasses
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Optional, Tuple

import numpy as np
import tensorflow as tf
import tf2onnx
from bioimageio.spec import save_bioimageio_package
from bioimageio.spec.model import v0_5 as spec

from micrograph_networks import __version__
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.images.image_files import write_png
from micrograph_networks.models.registry import ShippedModel
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Convolution, Network
from micrograph_networks.training.keras_models import build_keras_model

OPSET = 17
"""Version of ONNX's operators."""
INPUT, OUTPUT = "image", "probabilities"
"""Names of the tensors in the description and in both kinds of weights."""
TOLERANCE = 1e-3
"""Largest difference from the test probabilities that a package allows on other computers."""


@dataclasses.dataclass(frozen=True)
class ZooModel:
    """A network and its description for bioimage.io.

    Attributes
    ----------
    name : str
        Name of the package file without suffix.
    title, description : str
        Name and summary that bioimage.io shows.
    documentation : str
        Markdown text with a section "Validation".
    shipped : ShippedModel or None
        The shipped model, whose model card and license go into the package.
    tags : tuple of str
        Search terms.
    citations : tuple of (str, str)
        Titles and DOIs.
    network : keras.Model
        The trained network, see :func:`inference_model`.
    function : callable
        Function of the network and a tensor of images, float32 (n, height, width, channels), that
        returns probabilities, float32 (n, rows, columns, classes).
    channels, classes : tuple of str
        Names of the channels of images and probabilities.
    step : int
        Image heights and widths are multiples of this number of pixels.
    scale : int
        Pixels of the image per row and column of the probabilities.
    test_image : ndarray, (height, width, channels)
        Example image.
    test_probabilities : ndarray of float32, (rows, columns, classes)
        Probabilities that this project computes for the test image.
    cover : ndarray of uint8, (height, width, 3)
        Picture of the test image and its result.
    """

    name: str
    title: str
    description: str
    documentation: str
    shipped: Optional[ShippedModel]
    tags: Tuple[str, ...]
    citations: Tuple[Tuple[str, str], ...]
    network: Any
    function: Callable[[Any, Any], Any]
    channels: Tuple[str, ...]
    classes: Tuple[str, ...]
    step: int
    scale: int
    test_image: np.ndarray
    test_probabilities: np.ndarray
    cover: np.ndarray


def inference_model(network: Network, arrays: Arrays) -> Any:
    """Build the Keras model of a trained network.

    Parameters
    ----------
    network : Network
    arrays : Arrays
        Kernels and biases, with batch normalization folded in.

    Returns
    -------
    keras.Model
    """
    layers = tuple(
        dataclasses.replace(layer, momentum=None) if isinstance(layer, Convolution) else layer
        for layer in network.layers
    )
    model = build_keras_model(dataclasses.replace(network, layers=layers))
    for name, array in arrays.items():
        model.get_layer(name).set_weights([array["kernel"], array["bias"]])
    return model


def write_package(path: Path, model: ZooModel) -> None:
    """Write a package by version 0.5 of bioimage.io's specification.

    https://github.com/bioimage-io/spec-bioimage-io

    Parameters
    ----------
    path : Path
        Path of the ZIP file.
    model : ZooModel

    Raises
    ------
    UserError
        The file cannot be written.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        _write_weights(folder, model)
        np.save(folder / "test_image.npy", model.test_image[None].astype(np.float32))
        np.save(folder / "test_probabilities.npy", model.test_probabilities[None])
        write_png(folder / "cover.png", model.cover)
        card = model.shipped.card.read_text(encoding="utf-8") if model.shipped else ""
        (folder / "README.md").write_text(model.documentation + card, encoding="utf-8")
        with atomic_write(path) as temporary:
            save_bioimageio_package(_description(folder, model), output_path=temporary)


def _write_weights(folder: Path, model: ZooModel) -> None:
    images = tf.TensorSpec((None, None, None, len(model.channels)), tf.float32, name=INPUT)

    @tf.function(input_signature=[images], autograph=False)
    def probabilities(image: Any) -> Any:
        return {OUTPUT: model.function(model.network, image)}

    tf2onnx.convert.from_function(
        probabilities, [images], opset=OPSET, output_path=folder / "weights.onnx"
    )
    module = tf.Module()
    module.network = model.network
    tf.saved_model.save(module, folder / "saved_model", signatures=probabilities)
    shutil.make_archive(str(folder / "saved_model"), "zip", folder / "saved_model")


def _description(folder: Path, model: ZooModel) -> spec.ModelDescr:
    tolerance = spec.ReproducibilityTolerance(
        relative_tolerance=TOLERANCE, absolute_tolerance=TOLERANCE
    )
    return spec.ModelDescr(
        # The file name of a user's model may contain characters that are not allowed here.
        name=re.sub(r"[^\w+() -]", "_", model.title, flags=re.ASCII),
        description=model.description,
        version=__version__,
        license=model.shipped.license if model.shipped else None,
        authors=[spec.Author(name="The cellprofiler-focus-darkfield developers")],
        cite=[spec.CiteEntry(text=title, doi=doi) for title, doi in model.citations],
        tags=list(model.tags),
        documentation=spec.FileDescr(source=folder / "README.md"),
        covers=[spec.FileDescr(source=folder / "cover.png")],
        inputs=[_input(folder, model)],
        outputs=[_output(folder, model)],
        weights=spec.WeightsDescr(
            onnx=spec.OnnxWeightsDescr(source=folder / "weights.onnx", opset_version=OPSET),
            tensorflow_saved_model_bundle=spec.TensorflowSavedModelBundleWeightsDescr(
                source=folder / "saved_model.zip",
                tensorflow_version=tf.__version__,
                parent="onnx",
            ),
        ),
        config=spec.Config(bioimageio=spec.BioimageioConfig(reproducibility_tolerance=[tolerance])),
    )


def _input(folder: Path, model: ZooModel) -> spec.InputTensorDescr:
    size = spec.ParameterizedSize(min=model.step, step=model.step)
    space = [spec.SpaceInputAxis(id=axis, size=size) for axis in "yx"]
    return spec.InputTensorDescr(
        id=INPUT,
        axes=[spec.BatchAxis(), *space, _channels(model.channels)],
        test_tensor=spec.FileDescr(source=folder / "test_image.npy"),
        data=spec.IntervalOrRatioDataDescr(type="float32"),
    )


def _output(folder: Path, model: ZooModel) -> spec.OutputTensorDescr:
    space = [
        spec.SpaceOutputAxis(
            id=axis, size=spec.SizeReference(tensor_id=INPUT, axis_id=axis), scale=model.scale
        )
        for axis in "yx"
    ]
    return spec.OutputTensorDescr(
        id=OUTPUT,
        axes=[spec.BatchAxis(), *space, _channels(model.classes)],
        test_tensor=spec.FileDescr(source=folder / "test_probabilities.npy"),
        data=spec.IntervalOrRatioDataDescr(type="float32", range=(0, 1)),
    )


def _channels(names: Tuple[str, ...]) -> spec.ChannelAxis:
    return spec.ChannelAxis(channel_names=[name.replace(" ", "_") for name in names])
