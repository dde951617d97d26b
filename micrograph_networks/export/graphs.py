"""What a graph of whole images takes besides the layers of a network.

Images are (n, height, width, channels) in every framework. What represents them knows ``+``, ``-``,
``*``, ``/``, ``<=``, and slices of the channels, so that a core's formulas are written once.
"""

from typing import Any, Callable

from micrograph_networks.networks.computing import Operations


class GraphOperations(Operations):
    """Operations that end in a file instead of numbers."""

    def begin(self, images: Any) -> Any:
        """Images as the layers take them."""
        raise NotImplementedError

    def end(self, maps: Any) -> Any:
        """What layers give, as images."""
        raise NotImplementedError

    def cut(self, images: Any, size: int) -> Any:
        """The squares, (n * rows * cols, size, size, 1), of gray images that they cover."""
        raise NotImplementedError

    def arrange(self, values: Any, images: Any, size: int) -> Any:
        """Values of squares, (n * rows * cols, channels), as (n, rows, cols, channels)."""
        raise NotImplementedError

    def mean(self, images: Any) -> Any:
        """Over the pixels, (n, 1, 1, channels)."""
        raise NotImplementedError

    def square_root(self, x: Any) -> Any:
        """Of each number."""
        raise NotImplementedError

    def magnitude(self, x: Any) -> Any:
        """Of each number."""
        raise NotImplementedError

    def arcsinh(self, x: Any) -> Any:
        """Of each number."""
        raise NotImplementedError

    def choose(self, condition: Any, chosen: Any, other: Any) -> Any:
        """One or the other, number by number."""
        raise NotImplementedError

    def of_image(self, x: Any) -> Any:
        """Numbers of images, (n, 1, 1, 1), as (n, 1)."""
        raise NotImplementedError


Graph = Callable[[GraphOperations, Any], Any]
"""From operations and images to the result, images, too."""
