"""A network as an ONNX file: its graph is built node by node, in ONNX's own operations."""

from pathlib import Path
from typing import Any, List, Tuple, Union

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.export.graphs import Graph, GraphOperations
from micrograph_networks.files.writing import atomic_write

OPSET = 17
"""Version of the operations."""
IR_VERSION = 8
"""Of the file format, the one of that time: older programs read it, too."""
CHANNELS_FIRST, CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
"""Axes as ONNX's layers have them, and as images do."""


class Value:
    """What a node gives: :class:`GraphOperations` says what it knows.

    Parameters
    ----------
    graph : OnnxOperations
        Of which it is a part.
    name : str
    """

    def __init__(self, graph: "OnnxOperations", name: str) -> None:
        self.graph, self.name = graph, name

    def __add__(self, other: "Operand") -> "Value":
        return self.graph.node("Add", self, other)

    def __sub__(self, other: "Operand") -> "Value":
        return self.graph.node("Sub", self, other)

    def __mul__(self, other: "Operand") -> "Value":
        return self.graph.node("Mul", self, other)

    def __truediv__(self, other: "Operand") -> "Value":
        return self.graph.node("Div", self, other)

    def __le__(self, other: "Operand") -> "Value":
        return self.graph.node("LessOrEqual", self, other)

    def __getitem__(self, key: Any) -> "Value":
        """``x[..., channels]``; the channels are a slice."""
        _, channels = key
        last = np.iinfo(np.int64)
        step = channels.step or 1
        start, stop = (0, last.max) if step > 0 else (-1, last.min)
        start = start if channels.start is None else channels.start
        stop = stop if channels.stop is None else channels.stop
        numbers = [np.array([number]) for number in (start, stop, -1, step)]
        return self.graph.node("Slice", self, *numbers)


Operand = Union[Value, np.ndarray, float]


class OnnxOperations(GraphOperations):
    """Each operation appends nodes to a graph.

    Parameters
    ----------
    onnx : module
    """

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self.nodes: List[Any] = []
        self.constants: List[Any] = []

    def node(self, kind: str, *inputs: Operand, **attributes: Any) -> Value:
        """Append a node.

        Parameters
        ----------
        kind : str
            ONNX's name of the operation.
        *inputs : Value, ndarray or float
            Floating-point numbers become float32.
        **attributes

        Returns
        -------
        Value
            Its only output.
        """
        names = [value.name if isinstance(value, Value) else self._kept(value) for value in inputs]
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, names, [name], **attributes))
        return Value(self, name)

    def _kept(self, value: Union[np.ndarray, float]) -> str:
        array = np.asarray(value)
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        name = f"constant_{len(self.constants)}"
        self.constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def constant(self, array: np.ndarray) -> Value:
        kernel = array.ndim == 4
        return Value(self, self._kept(array.transpose(3, 2, 0, 1) if kernel else array))

    def convolve(self, x: Any, kernel: Any, stride: int, bias: Any, added: Any, relu: bool) -> Any:
        inputs = [x, kernel] if bias is None else [x, kernel, bias]
        x = self.node("Conv", *inputs, strides=[stride, stride], auto_pad="SAME_UPPER")
        x = x if added is None else x + added
        return self.node("Relu", x) if relu else x

    def multiply(self, x: Any, kernel: Any, bias: Any, relu: bool) -> Any:
        x = self.node("MatMul", x, kernel) + bias
        return self.node("Relu", x) if relu else x

    def blocks_to_channels(self, x: Any) -> Any:
        return self.node("SpaceToDepth", x, blocksize=2)

    def max_pool(self, x: Any) -> Any:
        return self.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def upsample(self, x: Any) -> Any:
        no_region = Value(self, "")
        modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.node("Resize", x, no_region, np.array([1.0, 1.0, 2.0, 2.0]), **modes)

    def global_pool(self, x: Any) -> Any:
        means = self.node("ReduceMean", x, axes=[2, 3], keepdims=0)
        maxima = self.node("ReduceMax", x, axes=[2, 3], keepdims=0)
        return self.node("Concat", means, maxima, axis=1)

    def softmax(self, x: Any) -> Any:
        return self.node("Softmax", x, axis=1)

    def begin(self, images: Any) -> Any:
        return self.node("Transpose", images, perm=CHANNELS_FIRST)

    def end(self, maps: Any) -> Any:
        return self.node("Transpose", maps, perm=CHANNELS_LAST)

    def cut(self, images: Any, size: int) -> Any:
        squares = self.end(self.node("SpaceToDepth", self.begin(images), blocksize=size))
        return self.node("Reshape", squares, np.array([-1, size, size, 1]))

    def arrange(self, values: Any, images: Any, size: int) -> Any:
        shape = self.node("Shape", images, start=0, end=3)
        rows = self.node("Concat", shape / np.array([1, size, size]), np.array([-1]), axis=0)
        return self.node("Reshape", values, rows)

    def mean(self, images: Any) -> Any:
        return self.node("ReduceMean", images, axes=[1, 2], keepdims=1)

    def square_root(self, x: Any) -> Any:
        return self.node("Sqrt", x)

    def magnitude(self, x: Any) -> Any:
        return self.node("Abs", x)

    def arcsinh(self, x: Any) -> Any:
        return self.node("Asinh", x)

    def choose(self, condition: Any, chosen: Any, other: Any) -> Any:
        return self.node("Where", condition, chosen, other)

    def of_image(self, x: Any) -> Any:
        return self.node("Squeeze", x, np.array([2, 3]))


def write_onnx(path: Path, graph: Graph, channels: int, names: Tuple[str, str]) -> None:
    """Write an ONNX file of a graph.

    Parameters
    ----------
    path : Path
    graph : Graph
    channels : int
        Of the images that it takes, float32 (n, height, width, channels) of any n and size.
    names : (str, str)
        Of its input and its output.

    Raises
    ------
    UserError
        The package onnx is missing.
    """
    onnx = _import_onnx()
    given, result = names
    operations = OnnxOperations(onnx)
    operations.node("Identity", graph(operations, Value(operations, given)))
    operations.nodes[-1].output[:] = [result]
    number = onnx.TensorProto.FLOAT
    shapes = {given: ["n", "height", "width", channels], result: ["n", "rows", "cols", None]}
    described = {
        name: onnx.helper.make_tensor_value_info(name, number, shape)
        for name, shape in shapes.items()
    }
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            operations.nodes,
            "network",
            [described[given]],
            [described[result]],
            initializer=operations.constants,
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    with atomic_write(path) as temporary:
        onnx.save(model, str(temporary))


def _import_onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise UserError('The export needs the package onnx: pip install "onnx>=1.14".') from None
    import onnx.checker
    import onnx.numpy_helper

    return onnx
