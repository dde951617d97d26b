import h5py
import numpy as np
import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.networks.layers import array_shapes
from segment.inference.network import encoder_blocks, unet_vgg16
from segment.training.backbone import download_backbone, read_backbone


def test_real_weights_are_read(data_folder):
    backbone = read_backbone(data_folder / "vgg16" / "vgg16_imagenet_notop.h5")
    assert list(backbone) == sum(encoder_blocks(), [])
    shapes = array_shapes(unet_vgg16(3))
    for layer, arrays in backbone.items():
        for name, array in arrays.items():
            assert array.shape == shapes[layer, name]
            assert np.isfinite(array).all()


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(UserError, match="none.h5 does not hold"):
        read_backbone(tmp_path / "none.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["block1_conv1/kernel"] = np.zeros((3, 3, 3, 7))
    with pytest.raises(UserError, match="a.h5 does not hold"):
        read_backbone(tmp_path / "a.h5")


def test_without_a_network_the_option_is_named(monkeypatch):
    import keras

    def fail(**_):
        raise OSError("no network")

    monkeypatch.setattr(keras.applications, "VGG16", fail)
    with pytest.raises(UserError, match="--backbone-weights"):
        download_backbone()
