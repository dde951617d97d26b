import pytest

from micrograph_networks.errors import UserError
from segment.classes import pixel_classes


@pytest.mark.parametrize("name", ["red cell", "red_cell", "Red/cell"])
def test_classes_of_equal_file_names_are_refused(name):
    with pytest.raises(UserError, match=f"classes 'red cell' and '{name}' would have the same"):
        pixel_classes(["background", "red cell", name], {}, {})
