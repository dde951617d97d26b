from operations import operations

from focusqual.inference.network import FOCUS_PATCH_1
from micrograph_networks.networks.layers import output_channels


def test_it_returns_a_probability_per_level():
    assert output_channels(FOCUS_PATCH_1)["probabilities"] == 11


def test_it_has_an_eighth_of_the_operations_of_the_2018_network():
    assert operations(FOCUS_PATCH_1, 84, 84) / 84**2 < 35_000 / 8
