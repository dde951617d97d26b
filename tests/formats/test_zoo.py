"""Packages for bioimage.io: its own program validates and runs them, without a network."""

import io
import shutil
import socket
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner
from support import FOCUS_MODELS

import focusqual
from focusqual.simulation.degradation import degrade
from focusqual.simulation.scenes import nuclei
from micrograph_networks.engines import EngineOptions
from micrograph_networks.products import PRODUCTS
from segment.inference.prediction import predict_probabilities
from segment.simulation.scenes import darkfield_scene

core = pytest.importorskip("bioimageio.core")
WEIGHTS = ("onnx", "tensorflow_saved_model_bundle")


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    # bioimageio.core unzips SavedModels into the folder where it runs.
    monkeypatch.chdir(tmp_path)

    def refuse(*arguments):
        raise OSError("there is no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Path of the package of each product's newest model."""
    output = tmp_path_factory.mktemp("zoo")
    made = {}
    for product in PRODUCTS:
        arguments = ["export", "--format", "bioimageio", "--output", str(output / product.package)]
        main = product.part("commandline.commands").main
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        (made[product.package],) = (output / product.package).iterdir()
    return made


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("package", [product.package for product in PRODUCTS])
def test_a_package_is_valid_and_gives_its_test_output(packages, package, weights):
    summary = core.test_model(packages[package], weight_format=weights)
    assert summary.status == "passed", summary.display()


def changed(package, target, name, change):
    """A copy of a package in which one file differs."""
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(target, "w") as copy:
        for entry in source.namelist():
            content = source.read(entry)
            copy.writestr(entry, change(content) if entry == name else content)
    return target


def with_one_level_more(content):
    probabilities = np.load(io.BytesIO(content))
    written = io.BytesIO()
    np.save(written, np.roll(probabilities, 1, axis=-1))
    return written.getvalue()


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_damaged_test_output_fails(packages, tmp_path, weights):
    name = "test_probabilities.npy"
    damaged = changed(packages["focusqual"], tmp_path / "a.zip", name, with_one_level_more)
    assert core.test_model(damaged, weight_format=weights).status != "passed"


def predicted(package, weights, image):
    """What bioimageio.core makes of an image, (height, width, channels)."""
    from bioimageio.core import Sample, Tensor, load_model_description
    from bioimageio.core.digest_spec import get_member_ids

    described = load_model_description(package)
    (given,), (result,) = map(get_member_ids, (described.inputs, described.outputs))
    tensor = Tensor(image[None].astype(np.float32), dims=("batch", "y", "x", "channel"))
    with core.create_prediction_pipeline(described, weight_format=weights) as pipeline:
        sample = Sample(members={given: tensor}, stat={}, id="image")
        return pipeline.predict_sample_without_blocking(sample).members[result].data.to_numpy()[0]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_an_image_of_any_size_has_the_patches_probabilities(packages, weights):
    image = np.zeros((4 * 84, 7 * 84))
    for left, level in ((0, 0), (168, 4), (336, 10)):
        image[:, left : left + 336][:, : 588 - left] = degrade(
            nuclei(np.random.default_rng(level), 336, 1.0), level
        )[:, : 588 - left]
    image[84:168, 84:168] = 0.3
    image = 200 + 3000 * image
    model = focusqual.load_model(engine=EngineOptions("numpy"))
    expected = focusqual.measure_focus(image, model).probabilities
    found = predicted(packages["focusqual"], weights, image[..., None])
    assert found.shape == (4, 7, 11)
    assert len(np.unique(expected.argmax(axis=-1))) > 3
    np.testing.assert_allclose(found, expected, atol=1e-3)
    np.testing.assert_allclose(found[1, 1], 1 / 11, atol=1e-6)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_dark_field_image_has_the_pixels_probabilities(packages, weights):
    import segment

    image = darkfield_scene(np.random.default_rng(5), (352, 640)).image
    model = segment.load_model(engine=EngineOptions("numpy"))
    expected = predict_probabilities(image, model)
    found = predicted(packages["segment"], weights, image)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert (expected.argmax(axis=-1) == 1).mean() > 0.01


def test_a_model_of_ones_own_is_exported(tmp_path):
    from focusqual.commandline.commands import main

    own = shutil.copy(FOCUS_MODELS[-1].path, tmp_path / "mine 2,0.h5")
    arguments = ["export", "--format", "bioimageio", "--model", own, "--output", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    summary = core.test_model(tmp_path / "mine 2,0.zip", weight_format="onnx")
    assert summary.status == "passed", summary.display()
