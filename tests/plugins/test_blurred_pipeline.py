"""A pipeline in CellProfiler measures blurred images."""

import re

import numpy as np
import pytest
from harness import CELLPROFILER_5, ROOT

from focusqual.evaluation import tolerance
from focusqual.evaluation.pipeline_jobs import Assay, measure_levels
from focusqual.simulation import scenes
from focusqual.simulation.defocus import point_spread_function
from focusqual.simulation.degradation import degrade
from micrograph_networks.cellprofiler import blurred_pipeline
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import write_tiff

INPUT = ("Images", "Metadata", "NamesAndTypes", "Groups")
MEASURING = ("IdentifyPrimaryObjects", "MeasureObjectSizeShape", "ExportToSpreadsheet")
needs_cellprofiler_4 = pytest.mark.skipif(
    CELLPROFILER_5, reason="Bio-Formats, which CellProfiler 5 reads images with, is downloaded"
)


@pytest.mark.parametrize("dtype, level", [(np.uint8, 2), (np.uint16, 5)])
def test_blurred_pixels_are_those_of_degraded_files(rng, dtype, level):
    scale = np.iinfo(dtype).max
    image = (scale * scenes.nuclei(rng, 120, 1.0)).clip(0, scale).astype(dtype)
    kernel = point_spread_function(2.0 * level)
    found = blurred_pipeline.blurred_pixels(image / scale, kernel, scale) * scale
    degraded = degrade(image, level)
    np.testing.assert_allclose(found, degraded.astype(float), atol=1.01)
    assert np.mean(np.rint(found) == degraded) > 0.99
    color = blurred_pipeline.blurred_pixels(np.dstack([image] * 3) / scale, kernel, None)
    np.testing.assert_allclose(color[..., 1] * scale, found, atol=0.51)


def write_pipeline(path, *modules):
    """Write a pipeline with some modules of an example, which measure nuclei."""
    text = (ROOT / "example_pipelines" / "focus_profiles.cppipe").read_text()
    head, *parts = re.split(r"\n\n(?=\w+:\[)", text.replace("Nuclei, Cells, Cytoplasm", "Nuclei"))
    kept = [part for part in parts if part.split(":")[0] in modules]
    kept = [re.sub(r"module_num:\d+", f"module_num:{n}", part) for n, part in enumerate(kept, 1)]
    head = re.sub(r"ModuleCount:\d+", f"ModuleCount:{len(kept)}", head)
    path.write_text("\n\n".join([head, *kept]).rstrip() + "\n")
    return path


@pytest.fixture
def images(tmp_path, rng):
    (tmp_path / "images").mkdir()
    paths = [tmp_path / "images" / f"ä {number}.tif" for number in range(3)]
    for path in paths:
        write_tiff(path, (20000 * scenes.nuclei(rng, 250, 1.0)).astype(np.uint16))
    return paths


@pytest.fixture
def measure(java, monkeypatch):
    """A function that measures a job in this process, in which Java runs."""
    monkeypatch.setattr(blurred_pipeline, "start_java", lambda: None)
    monkeypatch.setattr(blurred_pipeline, "stop_java", lambda: None)
    return blurred_pipeline.measure


@needs_cellprofiler_4
def test_cellprofiler_measures_blurred_images(images, tmp_path, measure):
    assay = Assay(write_pipeline(tmp_path / "assay.cppipe", *INPUT, *MEASURING), images)
    in_processes = measure_levels(assay, [0, 3], tmp_path / "levels", 2)
    table = tolerance.compare_levels(in_processes).set_index("feature")
    assert in_processes[0]["Image"]["Count_Nuclei"][0][1] > 3
    assert table.loc["AreaShape_Area", "level_3"] > 0.2
    assert not table.index.str.match("Location|FileName|Number|AreaShape_Center").any()
    sizes = measure({**assay.job(3), "all_channels": True})["Nuclei"]["AreaShape_Area"]
    assert np.array(sizes).tolist() == in_processes[3]["Nuclei"]["AreaShape_Area"]


@needs_cellprofiler_4
@pytest.mark.parametrize(
    "change, channel, sentence",
    [
        ({}, "DNA", "no images named DNA: choose by --channel one of Image, or blur all"),
        (
            {"Images only": "Custom", "extension does isimage": 'file does contain "x"'},
            None,
            "did not identify any image sets",
        ),
        (
            {"MeasureObjectSizeShape:": "NoSuchModule:"},
            None,
            r"cannot load .*\(.*NoSuch.*\): check",
        ),
        ({"Process as 3D?:No": "Process as 3D?:Yes"}, None, r"^3-D images are not blurred|3D"),
    ],
)
def test_pipelines_that_cannot_be_used_are_named(
    images, tmp_path, measure, change, channel, sentence
):
    pipeline = write_pipeline(tmp_path / "assay.cppipe", *INPUT, *MEASURING)
    text = pipeline.read_text()
    for old, new in change.items():
        text = text.replace(old, new)
    pipeline.write_text(text)
    with pytest.raises(UserError, match=sentence):
        measure(Assay(pipeline, images, channel).job(1))


@needs_cellprofiler_4
@pytest.mark.parametrize(
    "modules, sentence",
    [
        (INPUT, "The pipeline measures nothing: add modules that identify or measure"),
        (MEASURING, "The pipeline loads no images: give one with NamesAndTypes"),
    ],
)
def test_pipelines_that_lack_modules_are_named(images, tmp_path, measure, modules, sentence):
    pipeline = write_pipeline(tmp_path / "assay.cppipe", *modules)
    with pytest.raises(UserError, match=sentence):
        measure(Assay(pipeline, images).job(1))


@needs_cellprofiler_4
@pytest.mark.parametrize(
    "content, sentence",
    [
        ([b"no image"] * 3, r"^CellProfiler failed \(NamesAndTypes: .*\)\.$"),
        ([np.zeros((90, 90), np.uint8)] * 3, "^All images Image are blank: give others"),
        ([np.eye(90, dtype=np.uint8)] * 2, r"^Too few image sets \(2\): give at least 3"),
    ],
)
def test_images_that_cannot_be_used_are_named(tmp_path, measure, content, sentence):
    pipeline = write_pipeline(tmp_path / "assay.cppipe", *INPUT, *MEASURING)
    images = [tmp_path / f"{number}.tif" for number in range(len(content))]
    for path, pixels in zip(images, content):
        if isinstance(pixels, bytes):
            path.write_bytes(pixels)
        else:
            write_tiff(path, pixels)
    with pytest.raises(UserError, match=sentence):
        measure(Assay(pipeline, images).job(1))
