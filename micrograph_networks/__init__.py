"""What the focus and the dark-field core share: images, files, tiling, weights, TensorFlow."""

__version__ = "0.2.0"
