"""Progress of a training over all of its epochs."""

from typing import Optional

import keras
from tqdm import tqdm

from micrograph_networks.progress import Progress


class StepProgress(keras.callbacks.Callback):  # type: ignore[misc]
    """Callback that shows how many steps are done in all epochs, and the time left.

    Keras's own bar, which ``verbose=0`` hides, shows one epoch.

    Parameters
    ----------
    steps : int
        Number of steps of all epochs that are left.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._progress = Progress(steps, "step")

    def on_train_batch_end(self, batch: int, logs: Optional[dict] = None) -> None:
        """Count a step."""
        self._progress.update()

    def say(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        tqdm.write(line)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._progress.close()
