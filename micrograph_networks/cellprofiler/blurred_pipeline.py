"""Run a pipeline on blurred images and summarize its measurements, in CellProfiler's process.

    PYTHON -m micrograph_networks.cellprofiler.blurred_pipeline JOB ANSWER

JOB is a JSON file: ``pipeline``, path of a .cppipe; ``plugins``, folder or null; ``images``, paths;
``channel``, name of the images to blur, or null if all have the same; ``all_channels``, true to
blur all; ``kernel``, rows of the convolution kernel, or null to leave images as they are. ANSWER
becomes a JSON file with the result of :func:`measure`, or ``error`` with one sentence.
"""

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from cellprofiler_core.image import Image
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.pipeline.event import PrepareRunError
from cellprofiler_core.pipeline.event.run_exception import RunException
from cellprofiler_core.preferences import set_awt_headless, set_headless, set_plugin_directory
from cellprofiler_core.utilities.java import start_java, stop_java

from micrograph_networks.errors import UserError
from micrograph_networks.images.blurring import blur

NAMES_AND_TYPES = "NamesAndTypes"
TURNED_OFF = (
    *("ExportToDatabase", "ExportToSpreadsheet", "SaveImages", "CreateBatchFiles"),
    "FlagImage",
)
"""Modules that write files, or that skip the blurred images that are to be measured."""
FEWEST_IMAGE_SETS = 3
NO_MEASUREMENT = re.compile(
    r"[CTZ]_|Channel|Crop|ExecutionTime|FileName|Frame|Group|Height|ImageNumber|ImageSet|Location|"
    r"MD5Digest|Metadata|ModuleError|Number|Parent|PathName|ProcessingStatus|Scaling|Series|URL|"
    r"Width|AreaShape_(Center|BoundingBox)"
)
"""Starts of the names of features that describe files or positions."""
Statistics = Tuple[int, float, float, float]
"""Number, median, mean and variance of the values in an image."""
Measured = Dict[str, Dict[str, List[Statistics]]]
"""Statistics by object (or Image), feature and image set."""


class BlurredPipeline(Pipeline):
    """A pipeline that blurs images of some names after NamesAndTypes has loaded them."""

    def __init__(self, job: Dict[str, Any]):
        super().__init__()
        self.kernel = None if job["kernel"] is None else np.array(job["kernel"], np.float32)
        self.is_blank = True
        self.errors: List[str] = []
        self.loadtxt(job["pipeline"], raise_on_error=True)
        self.clear_urls(add_undo=False)
        for module in self.modules():
            if module.module_name in TURNED_OFF:
                self.disable_module(module)
        self.blurred = self._chosen(job["channel"], job["all_channels"])
        self.add_pathnames_to_file_list(job["images"], add_undo=False)
        self.add_listener(self._note_error)

    def _chosen(self, channel: Optional[str], all_channels: bool) -> List[str]:
        """Return the names of the images to blur."""
        features = [(name, feature) for name, feature, *_ in self.get_measurement_columns()]
        names = sorted(one[len("URL_") :] for _, one in features if one.startswith("URL_"))
        if not names or NAMES_AND_TYPES not in [one.module_name for one in self.modules()]:
            raise UserError("The pipeline loads no images: give one with NamesAndTypes.")
        if all(name == "Experiment" or NO_MEASUREMENT.match(one) for name, one in features):
            raise UserError("The pipeline measures nothing: add modules that identify or measure.")
        if all_channels or (channel is None and len(names) == 1):
            return names
        if channel is not None and channel in names:
            return [channel]
        problem = f"no images named {channel}" if channel else "several channels"
        raise UserError(
            f"The pipeline has {problem}: choose by --channel one of {', '.join(names)}, or blur "
            "all by --all-channels."
        )

    def run_module(self, module: Any, workspace: Any) -> None:  # type: ignore[override]
        """Run a module, and blur the images that NamesAndTypes loads."""
        Pipeline.run_module(module, workspace)
        if module.module_name != NAMES_AND_TYPES:
            return
        sets = workspace.measurements
        logging.info("Image set %d of %d", sets.image_set_number, sets.image_set_count)
        if sets.image_set_count < FEWEST_IMAGE_SETS:
            raise UserError(
                f"Too few image sets ({sets.image_set_count}): give at least {FEWEST_IMAGE_SETS} "
                "in focus."
            )
        for name in self.blurred:
            image = workspace.image_set.get_image(name)
            pixels = image.pixel_data
            if image.volumetric:
                raise UserError("3-D images are not blurred: set 'Process as 3D?' to No.")
            self.is_blank &= bool(pixels.min() == pixels.max())
            if self.kernel is not None:
                pixels = blurred_pixels(pixels, self.kernel, image.scale)
                workspace.image_set.add(name, Image(pixels, parent_image=image, scale=image.scale))

    def _note_error(self, _: Any, event: Any) -> None:
        if isinstance(event, RunException):
            name, reason = event.module.module_name, _one_line(event.error)
            is_ours = isinstance(event.error, UserError)
            self.errors.append(reason if is_ours else f"CellProfiler failed ({name}: {reason}).")
        elif isinstance(event, PrepareRunError):
            self.errors.append(f"CellProfiler finds no image sets ({_one_line(event.message)}).")


def blurred_pixels(pixels: np.ndarray, kernel: np.ndarray, scale: Optional[float]) -> np.ndarray:
    """Blur a gray or color image and round it to the gray levels of its file.

    Parameters
    ----------
    pixels : ndarray, (height, width) or (height, width, channels)
        0 to 1.
    kernel : ndarray of float32
        See :func:`micrograph_networks.images.blurring.blur`.
    scale : float, optional
        Gray level of the file that is 1; None if it is not known.

    Returns
    -------
    ndarray of float32, of the same shape
    """
    channels = np.moveaxis(np.atleast_3d(pixels.astype(np.float32)), -1, 0)
    blurred = np.dstack([blur(channel, kernel) for channel in channels])
    if scale:
        blurred = np.rint(blurred * scale) / scale
    return blurred.reshape(pixels.shape).astype(np.float32)


def measure(job: Dict[str, Any]) -> Measured:
    """Run the pipeline of a job and summarize what it measures of each image set.

    Raises
    ------
    UserError
        The pipeline cannot be used or failed, or all images are blank.
    """
    logging.basicConfig(level=logging.INFO)
    set_awt_headless(True)
    set_headless()
    if job["plugins"]:
        set_plugin_directory(job["plugins"], globally=False)
    start_java()
    try:
        pipeline = _load(job)
        measurements = pipeline.run()
        if pipeline.errors:
            raise UserError(pipeline.errors[0])
        if pipeline.is_blank:
            raise UserError(f"All images {' and '.join(pipeline.blurred)} are blank: give others.")
        return _summaries(measurements)
    finally:
        stop_java()


def _load(job: Dict[str, Any]) -> BlurredPipeline:
    try:
        return BlurredPipeline(job)
    except UserError:
        raise
    except Exception as error:  # modules raise exceptions of any kind
        raise UserError(
            f"CellProfiler cannot load {job['pipeline']} ({_one_line(error)}): check its modules, "
            "and --plugins-directory."
        ) from error


def _one_line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _summaries(measurements: Any) -> Measured:
    numbers = list(measurements.get_image_numbers())
    found: Measured = {}
    for name in measurements.get_object_names():
        for feature in measurements.get_feature_names(name):
            if name == "Experiment" or NO_MEASUREMENT.match(feature):
                continue
            values = measurements.get_measurement(name, feature, numbers)
            try:
                found.setdefault(name, {})[feature] = [_statistics(one) for one in values]
            except (TypeError, ValueError):  # a text
                continue
    return found


def _statistics(values: Any) -> Statistics:
    numbers = np.atleast_1d(np.asarray(values, dtype=float))
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return 0, np.nan, np.nan, np.nan
    return len(numbers), float(np.median(numbers)), float(numbers.mean()), float(numbers.var())


def main() -> None:
    """Read the job and write the answer."""
    try:
        job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        answer: Dict[str, Any] = {"measurements": measure(job)}
    except UserError as error:
        answer = {"error": str(error)}
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
