"""A network as TensorFlow's SavedModel."""

import os
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Tuple

from micrograph_networks.engines.tensorflow import TensorFlowOperations, import_framework
from micrograph_networks.export.graphs import Graph, GraphOperations
from micrograph_networks.files.writing import atomic_write


class SavedModelOperations(TensorFlowOperations, GraphOperations):
    """The operations in TensorFlow, whose layers take images as they are."""

    def begin(self, images: Any) -> Any:
        return images

    def end(self, maps: Any) -> Any:
        return maps

    def cut(self, images: Any, size: int) -> Any:
        return self._tf.reshape(self._tf.nn.space_to_depth(images, size), (-1, size, size, 1))

    def arrange(self, values: Any, images: Any, size: int) -> Any:
        shape = self._tf.shape(images)
        return self._tf.reshape(values, (shape[0], shape[1] // size, shape[2] // size, -1))

    def mean(self, images: Any) -> Any:
        return self._tf.reduce_mean(images, (1, 2), keepdims=True)

    def square_root(self, x: Any) -> Any:
        return self._tf.sqrt(x)

    def magnitude(self, x: Any) -> Any:
        return self._tf.abs(x)

    def arcsinh(self, x: Any) -> Any:
        return self._tf.asinh(x)

    def choose(self, condition: Any, chosen: Any, other: Any) -> Any:
        return self._tf.where(condition, chosen, other)

    def of_image(self, x: Any) -> Any:
        return self._tf.squeeze(x, (2, 3))


def write_saved_model(path: Path, graph: Graph, channels: int, names: Tuple[str, str]) -> str:
    """Write a SavedModel, zipped.

    Parameters
    ----------
    path : Path
        Of the ZIP file.
    graph : Graph
    channels : int
        Of the images that it takes, float32 (n, height, width, channels) of any n and size.
    names : (str, str)
        Of its input and its output.

    Returns
    -------
    str
        The version of TensorFlow.

    Raises
    ------
    UserError
        TensorFlow is missing.
    """
    tf = import_framework()
    given, result = names
    operations = SavedModelOperations(tf, tf.float32)
    images = tf.TensorSpec((None, None, None, channels), tf.float32, name=given)

    @tf.function(input_signature=[images], autograph=False)
    def computed(images: Any) -> Any:
        return {result: graph(operations, images)}

    with TemporaryDirectory() as folder:
        module = tf.Module()
        module.computed = computed
        tf.saved_model.save(module, folder, signatures=computed)
        with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for parent, _, files in os.walk(folder):
                for name in sorted(files):
                    written = Path(parent, name)
                    archive.write(written, written.relative_to(folder).as_posix())
    return str(tf.__version__)
