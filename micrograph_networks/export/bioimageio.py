"""Packages for bioimage.io, with ONNX weights and a TensorFlow SavedModel."""

import dataclasses
import re
import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Tuple, Union

import numpy as np
import tensorflow as tf
import tf2onnx
from bioimageio.spec import save_bioimageio_package
from bioimageio.spec.model import v0_5 as spec

from micrograph_networks import __version__
from micrograph_networks.files.ownership import mark
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.images.image_files import write_png
from micrograph_networks.models.loading import read_network, shipped_model
from micrograph_networks.models.registry import read_card
from micrograph_networks.models.weights_file import Networks
from micrograph_networks.networks.layers import Convolution
from micrograph_networks.training.keras_models import build_keras_model

OPSET = 17
"""Version of ONNX's operators."""
INPUT, OUTPUT = "image", "probabilities"
"""Names of the tensors in the description and in both kinds of weights."""
TOLERANCE = 1e-3
"""Largest difference from the test probabilities that a package allows on other computers."""


@dataclasses.dataclass(frozen=True)
class ZooModel:
    """Description of a model for bioimage.io.

    Attributes
    ----------
    title : str
        Name that bioimage.io shows, to which the name of the model is added.
    documentation : str
        Markdown text, first a one-line summary, with a section "Validation".
    tags : tuple of str
        Search terms.
    citations : tuple of (str, str)
        Titles and DOIs.
    function : callable
        Function of the Keras model and a tensor of images, float32 (n, height, width, channels),
        that returns probabilities, float32 (n, rows, columns, classes).
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
    cover : ndarray of float or uint8, (height, width, 3)
        Picture of the test image and its result.
    """

    title: str
    documentation: str
    tags: Tuple[str, ...]
    citations: Tuple[Tuple[str, str], ...]
    function: Callable[[Any, Any], Any]
    channels: Tuple[str, ...]
    classes: Tuple[str, ...]
    step: int
    scale: int
    test_image: np.ndarray
    test_probabilities: np.ndarray
    cover: np.ndarray


def write_package(
    output: Path, model: Union[str, Path, None], networks: Networks, described: ZooModel
) -> Path:
    """Write OUTPUT/MODEL.zip by version 0.5 of bioimage.io's specification.

    https://github.com/bioimage-io/spec-bioimage-io

    Parameters
    ----------
    output : Path
        Existing folder.
    model : str or Path, optional
        Name of a shipped model, or path of a weights file; the newest shipped model by default.
    networks : Networks
        Networks for which the model may be.
    described : ZooModel

    Returns
    -------
    Path
        Path of the package.

    Raises
    ------
    UserError
        The model cannot be read, or the file cannot be written.
    """
    shipped = shipped_model(model, networks)
    name = shipped.name if shipped else Path(str(model)).stem
    documentation = f"{described.documentation}\n"
    if shipped:
        documentation += read_card(shipped)
    with TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "README.md").write_text(documentation, encoding="utf-8")
        write_png(folder / "cover.png", described.cover)
        np.save(folder / "test_image.npy", described.test_image[None].astype(np.float32))
        np.save(folder / "test_probabilities.npy", described.test_probabilities[None])
        _write_weights(folder, _keras_model(model, networks), described)
        description = spec.ModelDescr(
            # The name of a user's weights file may have characters that are not allowed here.
            name=re.sub(r"[^\w+() -]", "_", f"{described.title} ({name})", flags=re.ASCII),
            description=described.documentation.splitlines()[0],
            version=__version__,
            license=shipped.license if shipped else None,
            authors=[spec.Author(name="The cellprofiler-focus-darkfield developers")],
            cite=[spec.CiteEntry(text=title, doi=doi) for title, doi in described.citations],
            tags=list(described.tags),
            documentation=spec.FileDescr(source=folder / "README.md"),
            covers=[spec.FileDescr(source=folder / "cover.png")],
            inputs=[_input(folder, described)],
            outputs=[_output(folder, described)],
            weights=_weights(folder),
            config=_config(),
        )
        path = output / f"{name}.zip"
        with atomic_write(path) as temporary:
            save_bioimageio_package(description, output_path=temporary)
            with zipfile.ZipFile(temporary, "a") as package:
                package.comment = (mark() or "").encode()
    return path


def _keras_model(model: Union[str, Path, None], networks: Networks) -> Any:
    """Build the Keras model, in which batch normalization is folded into the convolutions."""
    weights, network = read_network(model, networks)
    layers = tuple(
        dataclasses.replace(layer, momentum=None) if isinstance(layer, Convolution) else layer
        for layer in network.layers
    )
    built = build_keras_model(dataclasses.replace(network, layers=layers))
    for name, arrays in weights.layers.items():
        built.get_layer(name).set_weights([arrays["kernel"], arrays["bias"]])
    return built


def _write_weights(folder: Path, network: Any, described: ZooModel) -> None:
    images = tf.TensorSpec((None, None, None, len(described.channels)), tf.float32, name=INPUT)

    @tf.function(input_signature=[images], autograph=False)
    def probabilities(image: Any) -> Any:
        return {OUTPUT: described.function(network, image)}

    onnx = folder / "weights.onnx"
    tf2onnx.convert.from_function(probabilities, [images], opset=OPSET, output_path=onnx)
    module = tf.Module()
    module.network = network
    tf.saved_model.save(module, folder / "saved_model", signatures=probabilities)
    shutil.make_archive(str(folder / "saved_model"), "zip", folder / "saved_model")


def _weights(folder: Path) -> spec.WeightsDescr:
    saved_model = spec.TensorflowSavedModelBundleWeightsDescr(
        source=folder / "saved_model.zip", tensorflow_version=tf.__version__, parent="onnx"
    )
    onnx = spec.OnnxWeightsDescr(source=folder / "weights.onnx", opset_version=OPSET)
    return spec.WeightsDescr(onnx=onnx, tensorflow_saved_model_bundle=saved_model)


def _config() -> spec.Config:
    tolerance = spec.ReproducibilityTolerance(
        relative_tolerance=TOLERANCE, absolute_tolerance=TOLERANCE
    )
    return spec.Config(bioimageio=spec.BioimageioConfig(reproducibility_tolerance=[tolerance]))


def _input(folder: Path, described: ZooModel) -> spec.InputTensorDescr:
    size = spec.ParameterizedSize(min=described.step, step=described.step)
    space = [spec.SpaceInputAxis(id=axis, size=size) for axis in "yx"]
    return spec.InputTensorDescr(
        id=INPUT,
        axes=[spec.BatchAxis(), *space, _channels(described.channels)],
        test_tensor=spec.FileDescr(source=folder / "test_image.npy"),
        data=spec.IntervalOrRatioDataDescr(type="float32"),
    )


def _output(folder: Path, described: ZooModel) -> spec.OutputTensorDescr:
    space = []
    for axis in "yx":
        size = spec.SizeReference(tensor_id=INPUT, axis_id=axis)
        space.append(spec.SpaceOutputAxis(id=axis, size=size, scale=described.scale))
    return spec.OutputTensorDescr(
        id=OUTPUT,
        axes=[spec.BatchAxis(), *space, _channels(described.classes)],
        test_tensor=spec.FileDescr(source=folder / "test_probabilities.npy"),
        data=spec.IntervalOrRatioDataDescr(type="float32", range=(0, 1)),
    )


def _channels(names: Tuple[str, ...]) -> spec.ChannelAxis:
    return spec.ChannelAxis(channel_names=[name.replace(" ", "_") for name in names])
