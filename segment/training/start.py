"""What a training starts from: a trained model, or an encoder trained on ImageNet."""

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence, Union

from micrograph_networks.errors import UserError
from micrograph_networks.models.loading import read_network
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Network
from segment.classes import PixelClass
from segment.inference.network import NETWORKS, encoder, unet_vgg16


@dataclass(frozen=True)
class Start:
    """Trained arrays, of which a network takes those that it has room for.

    Attributes
    ----------
    arrays : Arrays
    network : Network
        That they belong to: a U-Net, or its encoder alone.
    """

    arrays: Arrays
    network: Network


def from_backbone(backbone: Arrays) -> Start:
    """Start from an encoder alone; the decoder is random.

    Parameters
    ----------
    backbone : Arrays
        As :func:`segment.training.backbone.read_backbone` gives them.

    Returns
    -------
    Start
    """
    return Start(backbone, encoder(unet_vgg16(2)))


def from_model(model: Union[str, Path], classes: Sequence[PixelClass]) -> Start:
    """Start from a trained model.

    Parameters
    ----------
    model : str or Path
        Name of a shipped one, or path of a weights file.
    classes : sequence of PixelClass
        That will be learned.

    Returns
    -------
    Start

    Raises
    ------
    UserError
        The file is unusable, or of other classes.
    """
    weights, network = read_network(model, NETWORKS)
    names, wanted = weights.attributes["class_names"], [one.name for one in classes]
    if list(names) != wanted:
        raise UserError(
            f"{model} knows the classes {', '.join(names)}, but {', '.join(wanted)} are to be "
            "learned: choose another model."
        )
    return Start(weights.layers, network)
