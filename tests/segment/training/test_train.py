import dataclasses

import numpy as np
import pytest
from support import NARROW, filled

from micrograph_networks.engines import load_functions
from micrograph_networks.errors import UserError
from micrograph_networks.models.weights_file import read_weights
from micrograph_networks.training import run as training_run
from micrograph_networks.training.run import TrainingRun
from segment.annotations.dataset import Sample
from segment.classes import CLASSES, FILAMENTS, NOTHING, pixel_classes
from segment.inference.model import load_model
from segment.inference.network import NETWORKS, encoder, encoder_blocks, unet_vgg16
from segment.training import train as training
from segment.training.balancing import narrowed
from segment.training.batches import epoch_batches
from segment.training.recipes import FULL_RECIPE, changed_recipe
from segment.training.train import cell_diameter, train

SHIPPED = pixel_classes(CLASSES, {}, {})


def scene(seed):
    """Two bright discs and a thin line."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:64, :96]
    mask = np.zeros((64, 96), np.uint8)
    mask[(rows - rng.integers(5, 59)) ** 2 < 2] = 2
    for center in rng.integers(12, 52, (2, 2)):
        mask[np.hypot(rows - center[0], cols - center[1]) < 9] = 1
    image = np.take([[10, 10, 20], [200, 210, 220], [90, 160, 90]], mask, axis=0)
    return Sample(f"images/{seed}.png", (image + rng.normal(0, 5, image.shape)).astype("u1"), mask)


@pytest.fixture
def samples():
    return [scene(seed) for seed in range(4)]


@pytest.fixture
def recipe():
    return dataclasses.replace(
        changed_recipe(FULL_RECIPE, SHIPPED, seed=3, epochs=(1, 2), working_size=96),
        widths=NARROW,
        averaged_share=0.7,
        batch=4,
        crops_per_image=1,
    )


@pytest.fixture
def start():
    """Arrays of a trained model of the same widths."""
    rng = np.random.default_rng(0)
    return filled(unet_vgg16(3, NARROW), lambda shape: rng.normal(0, 0.12, shape))


@pytest.fixture
def run(tmp_path):
    return TrainingRun(tmp_path, {})


def logged(run):
    return [epoch["epoch"] for epoch in run.epochs]


def test_a_stopped_run_continues_and_ends_with_usable_weights(
    run, tmp_path, samples, recipe, start, monkeypatch
):
    atomic_write, about = training_run.atomic_write, {"training_data": "scenes"}
    validation = [scene(8), scene(9)]

    def killed(path):
        if path.name == "checkpoint_0003.keras":
            raise KeyboardInterrupt
        return atomic_write(path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training_run, "atomic_write", killed)
        train(run, recipe, samples, validation, start, about)
    assert logged(run) == [1, 2, 3]
    path = train(run, recipe, samples, validation, start, about)
    assert logged(run) == [1, 2, 3]
    (checkpoint,) = tmp_path.glob("*.keras")
    assert checkpoint.name == "checkpoint_0003.keras"
    # Epoch 3 was logged but not saved, so it was repeated. Each of the two epochs of the second
    # stage has one step.
    import keras

    loss = training.cross_entropy_and_dice
    model = keras.models.load_model(checkpoint, custom_objects={loss.__name__: loss})
    assert int(model.optimizer.iterations) == 2
    assert {p.name for p in tmp_path.glob("*.png")} == {"iou.png", "loss.png"}
    assert len(list((tmp_path / "pictures").iterdir())) == 6
    weights = read_weights(path, NETWORKS)
    assert weights.attributes["training_data"] == "scenes"
    # The weights are the mean of those of the last two epochs.
    second, third = (read_weights(tmp_path / f"epoch_000{n}.h5", NETWORKS).layers for n in (2, 3))
    for name, kernels in weights.layers.items():
        mean = (second[name]["kernel"] + third[name]["kernel"]) / 2
        np.testing.assert_allclose(kernels["kernel"], mean, rtol=1e-3, atol=1e-6)
    model = load_model(path)
    assert model.textures.usual.limit > 0
    assert (model.classes, model.working_size) == (SHIPPED, 96)
    # The first two blocks keep their initial weights; the others learn.
    begun = training._new_model(recipe, start, samples)
    blocks = encoder_blocks()
    for name in blocks[0] + blocks[1]:
        stored = begun.get_layer(name).get_weights()[0].astype(np.float16)
        np.testing.assert_array_equal(weights.layers[name]["kernel"], stored)


def batch(recipe, samples, epoch):
    return next(epoch_batches(recipe, recipe.stages[0], samples, epoch))


def test_a_run_starts_from_the_given_model(samples, recipe, start):
    model = training._new_model(recipe, start, samples)
    images, _ = batch(recipe, samples, 0)
    (network,) = load_functions(unet_vgg16(3, NARROW), start, "numpy")
    np.testing.assert_allclose(model.predict(images, verbose=0), network(images), atol=1e-3)


def test_an_encoder_alone_is_enough(samples, recipe, rng):
    vgg16 = filled(encoder(unet_vgg16(2)), lambda shape: rng.normal(0, 0.05, shape))
    model = training._new_model(recipe, vgg16, samples)
    images, _ = batch(recipe, samples, 0)
    kernel, _ = model.get_layer("block5_conv3").get_weights()
    expected = narrowed(vgg16, NARROW, images)["block5_conv3"]["kernel"]
    ratio = kernel / expected
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-3)


def test_batches_are_the_same_for_the_same_epoch(samples, recipe):
    for first, again, other in zip(*(batch(recipe, samples, epoch) for epoch in (0, 0, 1))):
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


def test_a_share_of_the_crops_holds_filaments(samples, recipe):
    empty = [Sample(one.name, one.image, np.minimum(one.mask, 1)) for one in samples[1:]]
    samples = [samples[0], *empty]
    stage = dataclasses.replace(recipe.stages[0], crop=64)
    for share in (0, 0.5, 1):
        chosen = dataclasses.replace(recipe, filament_share=share, crops_per_image=10)
        batches = epoch_batches(chosen, stage, samples, 0)
        held = np.array([(target.argmax(-1) == 2).any(axis=(1, 2)) for _, target in batches])
        with_filament = int(4 * share)
        # The filament is at the border of the scene, and rotation or scaling may remove it.
        assert held[:, :with_filament].mean() > 0.7 if with_filament else True
        assert held[:, with_filament:].mean() < 0.4 if with_filament < 4 else True


@pytest.mark.parametrize("epochs", [(5,), (0, 0)])
def test_epochs_are_given_for_each_stage(epochs):
    with pytest.raises(UserError, match="2 stages"):
        changed_recipe(FULL_RECIPE, SHIPPED, epochs=epochs)


@pytest.mark.parametrize(
    ("classes", "problem"),
    [(("background",), "--class"), (("background", "cell", "cell"), "rename one of them")],
)
def test_wrong_classes_are_refused(classes, problem):
    with pytest.raises(UserError, match=problem):
        changed_recipe(FULL_RECIPE, pixel_classes(classes, {}, {}))


def test_cell_diameter_is_that_of_the_cells():
    mask = np.zeros((100, 200), np.uint8)
    rows, cols = np.mgrid[:100, :200]
    for col, radius in ((30, 10), (90, 12), (160, 20)):
        mask[np.hypot(rows - 50, cols - col) < radius] = 1
    sample = Sample("a", np.zeros((100, 200, 3), np.uint8), mask)
    assert cell_diameter([sample], SHIPPED) == pytest.approx(24, rel=0.03)
    names = ("background", "fiber", "platelet")
    for kinds, index in (({"fiber": FILAMENTS}, 2), ({"fiber": NOTHING, "platelet": FILAMENTS}, 2)):
        one = pixel_classes(names, kinds, {})
        other = Sample("b", sample.image, sample.mask * index)
        assert cell_diameter([other], one) == pytest.approx(24, rel=0.03)
        with pytest.raises(UserError, match="holds platelet"):
            cell_diameter([sample], one)
