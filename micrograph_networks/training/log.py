"""training.csv: what was measured at the end of each epoch of a training run."""

import csv
from pathlib import Path
from typing import Dict, List, Sequence, Union

from micrograph_networks.files.tables import csv_table

Epoch = Dict[str, Union[int, float]]
"""``epoch``, from 1 on, and what was measured at its end, by the same names every time."""


def read_epochs(path: Path) -> List[Epoch]:
    """Rows of a training log.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of Epoch
        Empty where the file does not exist yet.
    """
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [
            {name: int(value) if name == "epoch" else float(value) for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


def append_epoch(path: Path, epoch: Epoch) -> None:
    """Add an epoch to a log.

    Parameters
    ----------
    path : Path
    epoch : Epoch
    """
    _write(path, [*read_epochs(path), epoch])


def rewind(path: Path, last: int) -> None:
    """Forget epochs that were logged but not saved.

    Parameters
    ----------
    path : Path
    last : int
        The last epoch to keep.
    """
    _write(path, [epoch for epoch in read_epochs(path) if epoch["epoch"] <= last])


def _write(path: Path, epochs: Sequence[Epoch]) -> None:
    if not epochs:
        path.unlink(missing_ok=True)
        return
    with csv_table(path, list(epochs[0])) as table:
        table.writerows(epoch.values() for epoch in epochs)
