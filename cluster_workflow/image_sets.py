"""The image sets of a plate, as CellProfiler has listed them."""

import bisect
import json
from typing import NamedTuple

from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import atomic_write


class ImageSets(NamedTuple):
    """What is known of all image sets beforehand.

    Attributes
    ----------
    numbers : list of int
        Image numbers, in order.
    tags : list of str
        Features that tell the groups; empty where there is no grouping.
    values : dict of str to list of str
        Files, folders and metadata, by what columns of the table of images are called, in the order
        of ``numbers``.
    """

    numbers: list
    tags: list
    values: dict

    @classmethod
    def of_batch_data(cls, cellprofiler, path):
        """Let CellProfiler read its Batch_data.h5.

        Parameters
        ----------
        cellprofiler : CellProfiler
        path : Path

        Returns
        -------
        ImageSets

        Raises
        ------
        UserError
            It is no such file.
        """
        return cls(**cellprofiler.ask("image_sets", path))

    @classmethod
    def read(cls, path):
        """Read what :meth:`write` has written."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path):
        """Write to a file, since to ask CellProfiler takes half a minute for 100000 image sets."""
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(self._asdict()), encoding="utf-8")

    def groups(self):
        """What tells the group of each image set; its own number where there is no grouping.

        Raises
        ------
        UserError
            CellProfiler would give the image sets of a batch other numbers.
        """
        if not self.tags:
            return self.numbers
        groups = list(zip(*(self.values[tag] for tag in self.tags)))
        if groups != sorted(groups):
            raise UserError(
                f"The image sets are not in the order of their groups: sort the rows of the CSV "
                f"by {' and '.join(self.tags)}."
            )
        return groups

    def describe(self, number):
        """What is known of an image set, by feature.

        Parameters
        ----------
        number : int

        Returns
        -------
        dict of str to str
        """
        row = bisect.bisect_left(self.numbers, number)
        return {feature: values[row] for feature, values in self.values.items()}
