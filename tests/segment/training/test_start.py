import dataclasses

import h5py
import numpy as np
import pytest
from support import NARROW

from micrograph_networks.errors import UserError
from micrograph_networks.networks.layers import array_shapes
from segment.classes import CLASSES, pixel_classes
from segment.inference.network import FULL, unet_vgg16
from segment.training.recipes import SMALL_RECIPE
from segment.training.start import ENCODER, download_vgg16, from_model, read_vgg16


def test_a_model_must_have_the_classes_and_widths_of_the_recipe(random_weights):
    shipped = pixel_classes(CLASSES, {}, {})
    recipe = dataclasses.replace(SMALL_RECIPE, widths=NARROW, classes=shipped)
    layers = {layer for layer, _ in array_shapes(unet_vgg16(3, NARROW))}
    assert set(from_model(random_weights, recipe)) == layers
    with pytest.raises(UserError, match="has the classes background, blood cell, spirochaete"):
        from_model(random_weights, dataclasses.replace(recipe, classes=shipped[:2]))
    with pytest.raises(UserError, match="has other numbers of channels"):
        from_model(random_weights, dataclasses.replace(recipe, widths=FULL))


def test_real_weights_are_read(data_folder):
    vgg16 = read_vgg16(data_folder / "vgg16" / "vgg16_imagenet_notop.h5")
    assert list(vgg16) == ENCODER
    assert all(np.isfinite(a).all() for own in vgg16.values() for a in own.values())


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(UserError, match="none.h5 does not exist or is not a file"):
        read_vgg16(tmp_path / "none.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["block1_conv1/kernel"] = np.zeros((3, 3, 3, 7))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        # Its filter is none of HDF5's own.
        file.create_dataset("block1_conv1/kernel", (3, 3, 3, 64), np.float32, compression="lzf")
    for name in ("a.h5", "b.h5"):
        with pytest.raises(UserError, match=f"{name} does not hold"):
            read_vgg16(tmp_path / name)


def test_without_a_network_the_option_is_named(monkeypatch):
    import keras

    def fail(**_):
        raise OSError("no network")

    monkeypatch.setattr(keras.applications, "VGG16", fail)
    with pytest.raises(UserError, match="--backbone-weights"):
        download_vgg16()
