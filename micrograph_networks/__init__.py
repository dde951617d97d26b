"""What the focus and the dark-field core share: images, files, tiling, weights, TensorFlow."""
