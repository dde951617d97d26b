"""Exponential moving average of the weights of a model that is being trained."""

from pathlib import Path
from typing import Any, Optional

import keras
import numpy as np

from micrograph_networks.files.writing import atomic_write

AVERAGE = "average_{}.npz"
"""Name of the file with an average, with the number of epochs that it covers."""
MOMENTUM = 0.999
"""Share that an average keeps in each step. In early steps it keeps less."""


class MovingAverage(keras.callbacks.Callback):  # type: ignore[misc]
    """Callback that averages all weights, statistics of batch normalization included.

    Keras's own average (``use_ema``) leaves those out, and replaces the model's weights at the end
    of every ``fit``.

    Parameters
    ----------
    folder : Path
        Folder of the training.
    model : keras.Model
        Model that is trained.
    epochs, steps : int
        Number of epochs that the model has learned, and of steps in each. The average is read from
        the folder if there are any.
    """

    def __init__(self, folder: Path, model: Any, epochs: int, steps: int) -> None:
        super().__init__()
        self._folder, self._steps = folder, epochs * steps
        self.weights = model.get_weights()
        """Average of each array of weights, in the order of the model."""
        if epochs:
            with np.load(self._path(epochs)) as arrays:
                self.weights = [arrays[name] for name in arrays.files]

    def on_train_batch_end(self, batch: int, logs: Optional[dict] = None) -> None:
        """Add the weights after a step to the average."""
        self._steps += 1
        added = max(1 - MOMENTUM, 9 / (10 + self._steps))
        for average, weights in zip(self.weights, self.model.get_weights()):
            average += (added * (weights - average)).astype(average.dtype)

    def save(self, epochs: int) -> None:
        """Write the average beside the earlier one, so that either checkpoint can be resumed."""
        with atomic_write(self._path(epochs)) as temporary:
            np.savez(temporary, *self.weights)

    def remove_before(self, epochs: int) -> None:
        """Remove the averages of earlier checkpoints."""
        for path in self._folder.glob(AVERAGE.format("*")):
            if path != self._path(epochs):
                path.unlink()

    def _path(self, epochs: int) -> Path:
        return self._folder / AVERAGE.format(f"{epochs:04}")
