"""Declaration of the measurements that a CellProfiler module makes, and access to those made."""

import weakref
from typing import Dict, List, MutableMapping, NamedTuple, Sequence, Tuple

import numpy as np
from cellprofiler_core.constants.measurement import (
    C_COUNT,
    C_LOCATION,
    C_NUMBER,
    COLTYPE_FLOAT,
    FTR_CENTER_X,
    FTR_CENTER_Y,
    FTR_OBJECT_NUMBER,
    GROUP_LENGTH,
    GROUP_NUMBER,
    IMAGE,
    MCA_AVAILABLE_POST_GROUP,
)
from cellprofiler_core.measurement import Measurements
from cellprofiler_core.module import Module
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.utilities.core.module.identify import get_object_measurement_columns


class Feature(NamedTuple):
    """A measurement that a module makes.

    Attributes
    ----------
    object_name : str
        Name of the measured objects, or CellProfiler's IMAGE or EXPERIMENT.
    name : str
        Name of the feature, such as ``Score``.
    image_name : str
        Name of the image at the end of the measurement's name; empty for none.
    column_type : str
        CellProfiler's type of the column.
    after_group : bool
        True for features that are measured at the end of a group of images.
    """

    object_name: str
    name: str
    image_name: str = ""
    column_type: str = COLTYPE_FLOAT
    after_group: bool = False


class MeasuringModule(Module):
    """A module that declares its measurements in one list.

    Attributes
    ----------
    measurement_category : str
        Category of all features, the first part of their names.
    """

    measurement_category: str

    def features(self) -> List[Feature]:
        """Return all features that the module measures with its current settings."""
        raise NotImplementedError

    def created_objects(self) -> Sequence[str]:
        """Return the names of the objects that the module creates with its current settings."""
        raise NotImplementedError

    def measurement_name(self, feature: str, image_name: str = "") -> str:
        """Return the full name of a measurement, such as ``ImageFocus_Score_DNA``."""
        parts = [self.measurement_category, feature, image_name]
        return "_".join(part for part in parts if part)

    def get_measurement_columns(self, pipeline: Pipeline) -> List[Tuple]:
        """Return object, name and type of all measurements."""
        columns: List[Tuple] = []
        for feature in self.features():
            name = self.measurement_name(feature.name, feature.image_name)
            column = (feature.object_name, name, feature.column_type)
            columns.append(
                (*column, {MCA_AVAILABLE_POST_GROUP: True}) if feature.after_group else column
            )
        for name in self.created_objects():
            columns += get_object_measurement_columns(name)
        return columns

    def get_categories(self, pipeline: Pipeline, object_name: str) -> List[str]:
        """Return the categories of the measurements of some objects."""
        categories = []
        if any(feature.object_name == object_name for feature in self.features()):
            categories.append(self.measurement_category)
        if object_name == IMAGE and self.created_objects():
            categories.append(C_COUNT)
        if object_name in self.created_objects():
            categories += [C_LOCATION, C_NUMBER]
        return categories

    def get_measurements(self, pipeline: Pipeline, object_name: str, category: str) -> List[str]:
        """Return the features of some objects in a category."""
        if category == self.measurement_category:
            names = [one.name for one in self.features() if one.object_name == object_name]
            return list(dict.fromkeys(names))  # each once, in order
        if category == C_COUNT and object_name == IMAGE:
            return list(self.created_objects())
        if category == C_LOCATION and object_name in self.created_objects():
            return [FTR_CENTER_X, FTR_CENTER_Y]
        if category == C_NUMBER and object_name in self.created_objects():
            return [FTR_OBJECT_NUMBER]
        return []

    def get_measurement_images(
        self, pipeline: Pipeline, object_name: str, category: str, measurement: str
    ) -> List[str]:
        """Return the images of which a feature is measured."""
        return [
            feature.image_name
            for feature in self.features()
            if category == self.measurement_category
            and (feature.object_name, feature.name) == (object_name, measurement)
            and feature.image_name
        ]


class Group(NamedTuple):
    """A group of image sets.

    Attributes
    ----------
    number : int
        Number that CellProfiler gives the group.
    image_numbers : list of int
        Numbers of its image sets that this process runs, sorted.
    length : int
        Number of its image sets in all, also of those that other processes run.
    """

    number: int
    image_numbers: List[int]
    length: int


_GROUPS: MutableMapping[Measurements, Dict[int, Group]] = weakref.WeakKeyDictionary()
"""Groups by image number. They are read once: for each group anew, it would take quadratic time."""


def current_group(measurements: Measurements) -> Group:
    """Return the group of the current image set."""
    current = measurements.image_set_number
    if current not in _GROUPS.get(measurements, {}):
        _GROUPS[measurements] = _read_groups(measurements)
    return _GROUPS[measurements][current]


def _read_groups(measurements: Measurements) -> Dict[int, Group]:
    image_numbers = measurements.get_image_numbers().tolist()
    groups: Dict[int, List[int]] = {}
    for image, number in zip(image_numbers, measurements[IMAGE, GROUP_NUMBER, image_numbers]):
        groups.setdefault(int(number), []).append(image)
    lengths = dict(zip(image_numbers, image_values(measurements, GROUP_LENGTH, image_numbers)))
    by_image = {}
    for number, members in groups.items():
        length = lengths[members[0]]
        group = Group(number, members, len(members) if np.isnan(length) else int(length))
        by_image.update(dict.fromkeys(members, group))
    return by_image


def image_values(
    measurements: Measurements, feature: str, image_numbers: Sequence[int]
) -> np.ndarray:
    """Return a numeric feature of image sets, float; NaN where it was not measured."""
    if not measurements.has_feature(IMAGE, feature):  # every image set so far failed
        return np.full(len(image_numbers), np.nan)
    return np.asarray(measurements[IMAGE, feature, image_numbers], float)


def text_table(
    measurements: Measurements, features: Sequence[str], image_numbers: Sequence[int]
) -> Dict[str, List[str]]:
    """Return features of image sets as texts; empty where they were not measured."""
    table = {}
    for feature in features:
        values = [None] * len(image_numbers)
        if measurements.has_feature(IMAGE, feature):
            values = measurements[IMAGE, feature, image_numbers]
        table[feature] = ["" if value is None or value != value else str(value) for value in values]
    return table
