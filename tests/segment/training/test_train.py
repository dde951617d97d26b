import dataclasses

import numpy as np
import pytest
from support import filled

from micrograph_networks.errors import UserError
from micrograph_networks.models.weights_file import read_weights
from micrograph_networks.training import run as training_run
from micrograph_networks.training.run import TrainingRun
from segment.annotations.dataset import Sample
from segment.classes import CLASSES, NOTHING, THREADS, pixel_classes
from segment.inference import network
from segment.inference.model import load_model
from segment.inference.network import LOGITS, UNET_VGG16_1, encoder_blocks, unet_vgg16
from segment.training import train as training
from segment.training.recipes import RECIPE, changed_recipe
from segment.training.train import Parts, cell_diameter, train

SHIPPED = pixel_classes(CLASSES, {}, {})


def scene(seed):
    """Two bright discs and a thin line."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:64, :96]
    mask = np.zeros((64, 96), np.uint8)
    mask[(rows - rng.integers(5, 59)) ** 2 < 2] = 2
    for centre in rng.integers(12, 52, (2, 2)):
        mask[np.hypot(rows - centre[0], cols - centre[1]) < 9] = 1
    image = np.take([[10, 10, 20], [200, 210, 220], [90, 160, 90]], mask, axis=0)
    return Sample(f"images/{seed}.png", (image + rng.normal(0, 5, image.shape)).astype("u1"), mask)


@pytest.fixture
def parts():
    return Parts([scene(seed) for seed in range(4)], [scene(seed) for seed in (8, 9)])


@pytest.fixture
def small(monkeypatch):
    """The same network with few channels."""
    monkeypatch.setattr(network, "ENCODER", ((2, 4), (2, 4), (3, 8), (3, 8), (3, 8)))
    monkeypatch.setattr(network, "DECODER", (8, 8, 4, 4, 4))


@pytest.fixture
def recipe():
    return dataclasses.replace(
        changed_recipe(RECIPE, SHIPPED, seed=3, epochs=(1, 2, 0), working_size=96),
        batch=4,
        crops_per_image=1,
    )


def backbone():
    rng = np.random.default_rng(0)
    return filled(unet_vgg16(3), lambda shape: rng.normal(0, 0.03, shape))


@pytest.fixture
def run(tmp_path):
    return TrainingRun(tmp_path, {})


def logged(run):
    return [epoch["epoch"] for epoch in run.epochs]


def test_a_stopped_run_goes_on_and_ends_with_usable_weights(
    run, tmp_path, small, parts, recipe, monkeypatch
):
    whole_file, about = training_run.whole_file, {"training_data": "scenes"}

    def killed(path):
        if path.name == "checkpoint_0003.keras":
            raise KeyboardInterrupt
        return whole_file(path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training_run, "whole_file", killed)
        train(run, recipe, parts, backbone, about)
    assert logged(run) == [1, 2, 3]
    path = train(run, recipe, parts, backbone, about)
    assert logged(run) == [1, 2, 3]
    (checkpoint,) = tmp_path.glob("*.keras")
    assert checkpoint.name == "checkpoint_0003.keras"
    # Epoch 3 had been logged but not saved, so it was learned again; a step for each of its two
    # epochs in the second stage.
    import keras

    loss = training.losses.cross_entropy_and_dice
    model = keras.models.load_model(checkpoint, custom_objects={loss.__name__: loss})
    assert int(model.optimizer.iterations) == 2
    assert {p.name for p in tmp_path.glob("*.png")} == {"iou.png", "loss.png"}
    assert len(list((tmp_path / "pictures").iterdir())) == 6
    weights = read_weights(path, [UNET_VGG16_1])
    kept = weights.attributes["epoch"]["validation_mean_iou"]
    assert kept >= max(row["validation_mean_iou"] for row in run.epochs)
    assert weights.attributes["training_data"] == "scenes"
    model = load_model(path)
    assert (model.classes, model.working_size) == (SHIPPED, 96)
    # The two first blocks keep the weights that they were given; the others learn.
    given = backbone()
    blocks = encoder_blocks()
    for name in blocks[0] + blocks[1]:
        stored = given[name]["kernel"].astype(np.float16)
        np.testing.assert_array_equal(weights.layers[name]["kernel"], stored)


def test_offsets_are_part_of_the_weights(tmp_path, small, parts, recipe, monkeypatch):
    offsets = np.array([0, 1, -2], np.float32)
    monkeypatch.setattr(training, "class_offsets", lambda probabilities, truth: offsets)
    kept = {}
    for name, calibrated in (("with", True), ("without", False)):
        choice = dataclasses.replace(recipe, stages=recipe.stages[:1], calibrated=calibrated)
        (tmp_path / name).mkdir()
        path = train(TrainingRun(tmp_path / name, {}), choice, parts, backbone, {})
        kept[name] = read_weights(path, [UNET_VGG16_1])
    shift = [kept[name].layers[LOGITS]["bias"] for name in ("with", "without")]
    np.testing.assert_allclose(shift[0] - shift[1], offsets, atol=2e-3)
    assert kept["with"].attributes["class_offsets"] == [0, 1, -2]


def test_batches_are_the_same_for_the_same_epoch(parts, recipe):
    def batch(epoch):
        return next(training._batches(recipe, recipe.stages[0], parts.train, 1, epoch))

    for first, again, other in zip(batch(0), batch(0), batch(1)):
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


def test_epochs_are_given_for_each_stage():
    with pytest.raises(UserError, match="3 stages"):
        changed_recipe(RECIPE, SHIPPED, seed=0, epochs=(5,))


@pytest.mark.parametrize("classes", [("background",), ("background", "cell", "cell")])
def test_classes_differ(classes):
    with pytest.raises(UserError, match="--class"):
        changed_recipe(RECIPE, pixel_classes(classes, {}, {}), seed=0)


def test_cell_diameter_is_that_of_the_cells():
    mask = np.zeros((100, 200), np.uint8)
    rows, cols = np.mgrid[:100, :200]
    for col, radius in ((30, 10), (90, 12), (160, 20)):
        mask[np.hypot(rows - 50, cols - col) < radius] = 1
    sample = Sample("a", np.zeros((100, 200, 3), np.uint8), mask)
    assert cell_diameter([sample], SHIPPED) == pytest.approx(24, rel=0.03)
    names = ("background", "fibre", "platelet")
    for kinds, index in (({"fibre": THREADS}, 2), ({"fibre": NOTHING, "platelet": THREADS}, 2)):
        one = pixel_classes(names, kinds, {})
        other = Sample("b", sample.image, sample.mask * index)
        assert cell_diameter([other], one) == pytest.approx(24, rel=0.03)
        with pytest.raises(UserError, match="holds platelet"):
            cell_diameter([sample], one)
