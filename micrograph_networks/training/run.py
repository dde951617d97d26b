"""The folder of a training, which goes on where it was stopped and mixes with no other."""

import csv
import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import csv_table
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.training.log import Epoch, append_epoch, read_epochs, rewind

CHECKPOINT = "checkpoint_{}.keras"
"""Name of a checkpoint, with the number of epochs that it has learned."""


class TrainingRun:
    """A folder with recipe.json, split.csv, training.csv and the last checkpoint.

    Parameters
    ----------
    folder : Path
    recipe : dict
        JSON values: all that decides what is learned from the images.

    Attributes
    ----------
    folder : Path

    Raises
    ------
    UserError
        The folder holds a run of another recipe.
    """

    def __init__(self, folder: Path, recipe: Dict[str, Any]) -> None:
        self.folder = folder
        self._log = folder / "training.csv"
        self._recipe = json.loads(json.dumps(recipe))
        self._recipe_path = folder / "recipe.json"
        if self._recipe_path.exists():
            self._check_recipe()

    def _check_recipe(self) -> None:
        path, recipe = self._recipe_path, self._recipe
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
            changed = [name for name in recipe if earlier.get(name, ...) != recipe[name]]
        except (OSError, ValueError, AttributeError) as error:
            raise UserError(f"{path} is no recipe of a training: choose another folder.") from error
        if changed:
            raise UserError(
                f"{path} is of a run with other {' and '.join(changed)}: give the same command "
                "again to go on with it, or choose another folder."
            )

    def keep_split(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write split.csv, which image learns, validates and tests, and with it the recipe.

        Nothing is written before it, so that images that are refused leave nothing behind.

        Parameters
        ----------
        columns : sequence of str
        rows : sequence of sequence of str
            One an image.

        Raises
        ------
        UserError
            The file exists and says otherwise: an image that has been learned from could become one
            that is held back.
        """
        path = self.folder / "split.csv"
        if not path.exists():
            with atomic_write(self._recipe_path) as temporary:
                temporary.write_text(json.dumps(self._recipe, indent=1), encoding="utf-8")
            with csv_table(path, columns) as table:
                table.writerows(rows)
            return
        # Bytes are compared as text of which nothing is lost, whatever wrote it.
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            if list(csv.reader(file)) != [list(columns), *map(list, rows)]:
                raise UserError(
                    f"{path} is of a run on other images or with another seed: "
                    "choose another folder."
                )

    @property
    def epochs(self) -> List[Epoch]:
        """What was measured so far, an epoch each."""
        return read_epochs(self._log)

    def resume(self, custom_objects: Optional[Dict[str, Any]] = None) -> Tuple[Any, int]:
        """The model of the last checkpoint, and how many epochs it has learned.

        Parameters
        ----------
        custom_objects : dict, optional
            What Keras needs to know to load it.

        Returns
        -------
        (keras.Model or None, int)
            None and 0 where there is no checkpoint.
        """
        import keras

        path = max(self._checkpoints(), default=None)
        done = int(path.stem.rpartition("_")[2]) if path else 0
        rewind(self._log, done)
        return path and keras.models.load_model(path, custom_objects=custom_objects), done

    def end_epoch(self, model: Any, epoch: Epoch) -> None:
        """Log an epoch and write its checkpoint in place of the one before.

        Parameters
        ----------
        model : keras.Model
        epoch : Epoch
        """
        append_epoch(self._log, epoch)
        earlier = self._checkpoints()
        with atomic_write(self.folder / CHECKPOINT.format(f"{epoch['epoch']:04}")) as temporary:
            model.save(temporary)
        for path in earlier:
            path.unlink()

    def _checkpoints(self) -> List[Path]:
        return list(self.folder.glob(CHECKPOINT.format("*")))
