"""Training output folder. Training resumes from it, and refuses to mix with another run."""

import csv
import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import csv_table, escaped, read_csv
from micrograph_networks.files.writing import atomic_write

CHECKPOINT = "checkpoint_{}.keras"
"""Name of a checkpoint, with the number of epochs that it has learned."""

Epoch = Dict[str, Union[int, float]]
"""``epoch``, counted from 1, and what was measured at its end: the same names in all epochs."""


def read_epochs(path: Path) -> List[Epoch]:
    """Read the epochs of a training.csv; there are none if it does not exist.

    Raises
    ------
    UserError
        The file is damaged.
    """
    if not path.exists():
        return []
    rows = read_csv(path, ("epoch",), "the training.csv that the training wrote")
    try:
        return [
            {name: int(value) if name == "epoch" else float(value) for name, value in row.items()}
            for row in rows
        ]
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): choose another folder.") from error


class TrainingRun:
    """A folder with recipe.json, split.csv, training.csv and the last checkpoint.

    Parameters
    ----------
    folder : Path
    recipe : dict
        JSON values: everything that determines what is learned from the images.

    Attributes
    ----------
    folder : Path

    Raises
    ------
    UserError
        The folder contains a run with another recipe, or files and no run.
    """

    def __init__(self, folder: Path, recipe: Dict[str, Any]) -> None:
        self.folder = folder
        self._log = folder / "training.csv"
        self._recipe = json.loads(json.dumps(recipe))
        self._recipe_path = folder / "recipe.json"
        if self._recipe_path.exists():
            self._check_recipe()
        elif any(not path.name.startswith(".") for path in folder.iterdir()):
            raise UserError(
                f"{folder} contains files that are not of a training: choose an empty folder."
            )

    def _check_recipe(self) -> None:
        path, recipe = self._recipe_path, self._recipe
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
            changed = [name for name in recipe if earlier.get(name) != recipe[name]]
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{path} is not the recipe of a training: choose another folder."
            ) from error
        if changed:
            raise UserError(
                f"{path} is of a run with other {' and '.join(changed)}: repeat the command of "
                "that run to resume it, or choose another folder."
            )

    def keep_split(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write split.csv, one row per image, and recipe.json.

        Both are written now and not earlier, so that images that are refused leave nothing behind.

        Raises
        ------
        UserError
            split.csv exists and differs: a training image could become a test image.
        """
        path = self.folder / "split.csv"
        if not path.exists():
            with atomic_write(self._recipe_path) as temporary:
                temporary.write_text(json.dumps(self._recipe, indent=1), encoding="utf-8")
            with csv_table(path, columns) as table:
                table.writerows(rows)
            return
        # surrogateescape: a file that is not UTF-8 differs; it does not raise UnicodeDecodeError.
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            written = [[escaped(cell) for cell in row] for row in (columns, *rows)]
            if list(csv.reader(file)) != written:
                raise UserError(
                    f"{path} is of a run on other images or with another seed: "
                    "choose another folder."
                )

    @property
    def epochs(self) -> List[Epoch]:
        """Epochs in the log."""
        return read_epochs(self._log)

    def resume(self, custom_objects: Optional[Dict[str, Any]] = None) -> Tuple[Any, int]:
        """Load the last checkpoint, and remove epochs from the log that it has not learned.

        Parameters
        ----------
        custom_objects : dict, optional
            Custom objects that Keras needs to load the model.

        Returns
        -------
        model : keras.Model or None
            None if there is no checkpoint.
        done : int
            Number of epochs that the model has learned.

        Raises
        ------
        UserError
            The checkpoint or the log is damaged.
        """
        import keras

        path = max(self._checkpoints(), default=None)
        model, done = None, 0
        if path is not None:
            try:
                model = keras.models.load_model(path, custom_objects=custom_objects)
            except MemoryError:
                raise
            except Exception as error:  # Keras raises many types on damaged files
                raise UserError(
                    f"{path} cannot be read ({type(error).__name__}): use the version of Keras "
                    "that wrote it, or delete it to start again."
                ) from error
            done = int(path.stem.rpartition("_")[2])
        self._write_log([epoch for epoch in self.epochs if epoch["epoch"] <= done])
        return model, done

    def end_epoch(self, model: Any, epoch: Epoch) -> None:
        """Log an epoch and replace the checkpoint by the Keras model."""
        self._write_log([*self.epochs, epoch])
        earlier = self._checkpoints()
        with atomic_write(self.folder / CHECKPOINT.format(f"{epoch['epoch']:04}")) as temporary:
            model.save(temporary)
        for path in earlier:
            path.unlink()

    def _write_log(self, epochs: Sequence[Epoch]) -> None:
        if epochs:
            with csv_table(self._log, list(epochs[0])) as table:
                table.writerows(epoch.values() for epoch in epochs)
        else:
            self._log.unlink(missing_ok=True)

    def _checkpoints(self) -> List[Path]:
        return list(self.folder.glob(CHECKPOINT.format("[0-9]*")))
