"""training.csv: what was measured at the end of each epoch of a training run."""

import csv

from micrograph_networks.files.tables import csv_table


def read_log(path):
    """Rows of a log.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of dict of str to float
        Empty where the file does not exist yet.
    """
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def append_row(path, row):
    """Add an epoch to a log.

    Parameters
    ----------
    path : Path
    row : dict of str to float
        With ``epoch``, from 1 on, and the same names every time.
    """
    _write(path, [*read_log(path), row])


def rewind(path, epoch):
    """Forget epochs that were logged but not saved.

    Parameters
    ----------
    path : Path
    epoch : int
        The last one to keep.
    """
    _write(path, [row for row in read_log(path) if row["epoch"] <= epoch])


def _write(path, rows):
    if not rows:
        path.unlink(missing_ok=True)
        return
    with csv_table(path, list(rows[0])) as table:
        table.writerows(row.values() for row in rows)
