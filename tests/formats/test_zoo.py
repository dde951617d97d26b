"""Packages for bioimage.io: bioimageio.core validates and runs them without a network."""

import shutil
import socket

import numpy as np
import pytest
from click.testing import CliRunner
from support import FOCUS_MODELS

import focusqual
import segment
from focusqual.commandline.commands import main as focusqual_main
from focusqual.simulation.degradation import degrade
from focusqual.simulation.scenes import nuclei
from micrograph_networks.engines import EngineOptions
from segment.commandline.commands import main as segment_main
from segment.inference.normalization import to_rgb
from segment.inference.prediction import predict_probabilities
from segment.simulation.scenes import darkfield_scene

core = pytest.importorskip("bioimageio.core")
MAIN = {"focusqual": focusqual_main, "segment": segment_main}
WEIGHTS = ("onnx", "tensorflow_saved_model_bundle")
NUMPY = EngineOptions("numpy")


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    # bioimageio.core unzips SavedModels into the current folder.
    monkeypatch.chdir(tmp_path)

    def refuse(*arguments):
        raise OSError("there is no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def export(core_name, output, *options):
    """Return the path of the package that the command line writes."""
    arguments = ["export", "--output", str(output), *options]
    result = CliRunner().invoke(MAIN[core_name], arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (package,) = output.glob("*.zip")
    return package


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return {name: export(name, tmp_path_factory.mktemp(name)) for name in MAIN}


def predict(package, weights, image):
    """Return what bioimageio.core computes for an image, (height, width, channels)."""
    from bioimageio.core import Sample, Tensor, load_model_description
    from bioimageio.core.digest_spec import get_member_ids

    description = load_model_description(package)
    (given,), (result,) = map(get_member_ids, (description.inputs, description.outputs))
    tensor = Tensor(image[None].astype(np.float32), dims=("batch", "y", "x", "channel"))
    with core.create_prediction_pipeline(description, weight_format=weights) as pipeline:
        sample = Sample(members={given: tensor}, stat={}, id="image")
        return pipeline.predict_sample_without_blocking(sample).members[result].data.to_numpy()[0]


def focus_case():
    """Return an image with three defocus levels and a constant patch, and its probabilities."""
    image = np.hstack(
        [
            degrade(nuclei(np.random.default_rng(level), 336, 1.0), level)[:, :196]
            for level in (0, 4, 10)
        ]
    )
    image[84:168, 84:168] = 0.3
    image = 200 + 3000 * image
    probabilities = focusqual.measure_focus(image, focusqual.load_model(engine=NUMPY)).probabilities
    assert probabilities.shape == (4, 7, 11)
    assert len(np.unique(probabilities.argmax(axis=-1))) > 3
    return image[..., None], probabilities


def darkfield_case():
    """Return an image at the working scale, from black to white, and its probabilities."""
    image = darkfield_scene(np.random.default_rng(5), (352, 640)).image
    probabilities = predict_probabilities(image, segment.load_model(engine=NUMPY), 1.0)
    assert (probabilities.argmax(axis=-1) == 1).mean() > 0.01
    return to_rgb(image), probabilities


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name, case", [("focusqual", focus_case), ("segment", darkfield_case)])
def test_package_is_valid_and_gives_our_probabilities(packages, name, case, weights):
    summary = core.test_model(packages[name], weight_format=weights)
    assert summary.status == "passed", summary.display()
    image, probabilities = case()
    found = predict(packages[name], weights, image)
    np.testing.assert_allclose(found, probabilities, atol=1e-4)


def test_users_own_weights_file_is_exported(tmp_path):
    own = shutil.copy(FOCUS_MODELS[-1].path, tmp_path / "mine 2,0.h5")
    package = export("focusqual", tmp_path, "--model", own)
    assert package.name == "mine 2,0.zip"
    summary = core.test_model(package, weight_format="onnx")
    assert summary.status == "passed", summary.display()
