from operations import operations

from focusqual.inference.network import FOCUS_PATCH_1


def test_it_has_an_eighth_of_the_operations_of_the_2018_network():
    assert operations(FOCUS_PATCH_1, 84, 84) / 84**2 < 35_000 / 8
