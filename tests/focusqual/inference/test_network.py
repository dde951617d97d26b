import pytest

from focusqual.inference.network import FOCUS_PATCH_1, FOCUS_PATCH_2, NETWORKS
from micrograph_networks.networks.layers import operations, output_channels


@pytest.mark.parametrize("architecture", NETWORKS)
def test_it_gives_a_probability_a_level(architecture):
    network = NETWORKS[architecture]({})
    assert network.architecture == architecture
    assert output_channels(network)["probabilities"] == 11


@pytest.mark.parametrize("network, share", [(FOCUS_PATCH_1, 8), (FOCUS_PATCH_2, 5)])
def test_it_costs_a_fraction_of_the_2018_network(network, share):
    assert operations(network, 84, 84) / 84**2 < 35_000 / share
