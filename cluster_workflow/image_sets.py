"""The image sets of a plate, as CellProfiler lists them."""

import bisect
import json
from typing import NamedTuple

from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import atomic_write


class ImageSets(NamedTuple):
    """Image sets before they are measured.

    Attributes
    ----------
    numbers : list of int
        Image numbers, in order.
    tags : list of str
        Features that define the groups; empty without grouping.
    values : dict of str to list of str
        Files, folders and metadata of the image sets, by column of the table of images.
    """

    numbers: list
    tags: list
    values: dict

    @classmethod
    def of_batch_data(cls, cellprofiler, path):
        """Let CellProfiler read its Batch_data.h5; raise UserError if it is another file."""
        return cls(**cellprofiler.ask("image_sets", path))

    @classmethod
    def read(cls, path):
        """Read the file of :meth:`write`."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path):
        """Write a file, because CellProfiler takes half a minute to list 100000 image sets."""
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(self._asdict()), encoding="utf-8")

    def groups(self):
        """Return the group of each image set; without grouping, each is a group.

        Raises
        ------
        UserError
            The groups are not in order: CellProfiler would number the image sets differently.
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
        """Return files, folders and metadata of the image set with a number."""
        row = bisect.bisect_left(self.numbers, number)
        return {feature: values[row] for feature, values in self.values.items()}
