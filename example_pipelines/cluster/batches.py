"""Image sets in batches: check what is given, list the image sets, run CellProfiler on a batch."""

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path

import h5py
import numpy as np
from cellprofiler_log import read_log

from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import output_folder, whole_file

BATCH_DATA = "Batch_data.h5"
"""CellProfiler's name for the file of CreateBatchFiles."""

LOG = "cellprofiler.log"

DONE = "done.txt"
"""Holds COMPLETE where a run went to its end: CellProfiler's option -d."""

COMPLETE = "Complete"

CREATE_BATCH_FILES = """\
CreateBatchFiles:[module_num:{}|svn_version:'Unknown'|variable_revision_number:8|\
show_window:False|notes:[]|batch_state:array([], dtype=uint8)|enabled:True|wants_pause:False]
    Store batch files in default output folder?:Yes
    Output folder path:.
    Are the cluster computers running Windows?:No
    Hidden- in batch mode:No
    Hidden- in distributed mode:No
    Hidden- default input folder at time of save:.
    Hidden- revision number:0
    Hidden- from old matlab:No
"""


def check(pipeline, images=None, load_data=None):
    """Refuse what cannot be run in batches, before anything is run.

    Parameters
    ----------
    pipeline : Path
        As CellProfiler exports it (.cppipe).
    images : Path, optional
        Folder of images. Where ``load_data`` is given, LoadData's default input folder.
    load_data : Path, optional
        CSV for a pipeline that begins with LoadData.

    Raises
    ------
    UserError
    """
    if not pipeline:
        raise UserError("No pipeline is given: name a .cppipe that CellProfiler has exported.")
    modules = _modules(pipeline)
    if not (images or load_data):
        raise UserError("Neither images nor load_data is given: name a folder or a CSV.")
    if images:
        _check_images(images)
    if bool(load_data) != any(module.startswith("LoadData:") for module in modules):
        raise UserError(
            f"{pipeline} has no LoadData module, so it cannot read {load_data}: add one to it."
            if load_data
            else f"{pipeline} has a LoadData module: give the CSV that it reads as load_data."
        )
    if load_data:
        _check_load_data(load_data)
    _check_export(pipeline, modules)


def _check_images(folder):
    if not folder.is_dir():
        raise UserError(f"The folder of images {folder} does not exist: check the path.")
    if not any(path.is_file() for path in folder.rglob("*")):
        raise UserError(f"The folder of images {folder} is empty: check the path.")


def _check_load_data(path):
    if not path.is_file():
        raise UserError(f"The CSV for LoadData {path} does not exist: check the path.")
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.reader(file)
        columns, first = next(rows, []), next(rows, None)
    if not any(re.match("(Image_)?(FileName|URL)_.", column) for column in columns):
        raise UserError(
            f"{path} has neither a column FileName_NAME nor URL_NAME: "
            "LoadData needs one for each image."
        )
    if first is None:
        raise UserError(f"{path} has no row below its heading: LoadData needs one an image set.")


def _check_export(pipeline, modules):
    """Tables can be merged if every batch writes them, as CSV, to its own folder."""
    exports = [module for module in modules if module.startswith("ExportToSpreadsheet:")]
    if not exports:
        raise UserError(f"{pipeline} has no ExportToSpreadsheet module, which writes the tables.")
    for export in exports:
        if "Output file location:Default Output Folder" not in export:
            raise UserError(
                f"ExportToSpreadsheet of {pipeline} writes to a folder of its own: "
                "set its output file location to Default Output Folder."
            )
        if 'column delimiter:Comma (",")' not in export:
            raise UserError(f"ExportToSpreadsheet of {pipeline}: set its delimiter to comma.")
    if not re.search(
        "Export all measurement types\\?:Yes|Data to export:Image\n", "".join(exports)
    ):
        raise UserError(f"ExportToSpreadsheet of {pipeline} does not export Image: let it do so.")


def _modules(pipeline):
    """The modules of a pipeline file, each as its lines."""
    try:
        text = Path(pipeline).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text.startswith("CellProfiler Pipeline:"):
        raise UserError(
            f"{pipeline} is not a pipeline file: give a .cppipe that CellProfiler has exported."
        )
    return re.findall(r"^\w+:\[module_num:.*\n(?:[ \t]+.*\n?)*", text, flags=re.MULTILINE)


def with_create_batch_files(pipeline):
    """The text of a pipeline with CreateBatchFiles at its end, and without a list of files.

    Parameters
    ----------
    pipeline : Path

    Returns
    -------
    str
    """
    modules = [m for m in _modules(pipeline) if not m.startswith("CreateBatchFiles:")]
    modules.append(CREATE_BATCH_FILES.format(len(modules) + 1))
    head = Path(pipeline).read_text(encoding="utf-8").split("\n\n", 1)[0]
    head = re.sub("ModuleCount:.*", f"ModuleCount:{len(modules)}", head)
    head = re.sub("HasImagePlaneDetails:.*", "HasImagePlaneDetails:False", head)
    return "\n".join([head + "\n", *modules])


def prepare(cellprofiler, pipeline, batch_data, images=None):
    """List the image sets: let CellProfiler write Batch_data.h5.

    Parameters
    ----------
    cellprofiler : str
        Its command, with the options that every process needs.
    pipeline, images : Path
        As :func:`check` takes them.
    batch_data : Path
        To be written. Its folder gets a log as well.

    Raises
    ------
    UserError
        CellProfiler found no image sets, or cannot load the pipeline.
    """
    folder = output_folder(batch_data.parent)
    log = folder / "prepare.log"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".prepare-") as temporary:
        (Path(temporary) / "pipeline.cppipe").write_text(
            with_create_batch_files(pipeline), encoding="utf-8"
        )
        # Image set 1 only: what CellProfiler goes on with where it could not load a module.
        options = ["-p", f"{temporary}/pipeline.cppipe", "-o", temporary, "-f", 1, "-l", 1]
        options += ["-i", images] if images else []
        _call_cellprofiler(cellprofiler, options, log)
        # CellProfiler ends with 1 after CreateBatchFiles: the file tells whether it went well.
        if not (Path(temporary) / BATCH_DATA).exists():
            reason = read_log(log).run or "it found no image sets"
            raise UserError(f"CellProfiler cannot begin with {pipeline}: {reason} (see {log}).")
        os.replace(Path(temporary) / BATCH_DATA, batch_data)


def split(groups, size):
    """First and last image numbers of batches that keep groups whole.

    Parameters
    ----------
    groups : sequence, (image sets,)
        What tells the group of each image set, those of a group side by side.
    size : int
        Image sets a batch, at least 1. A batch that ends within a group goes on to its end.

    Returns
    -------
    list of (int, int)
        Image numbers begin at 1, and both ends are in the batch.
    """
    ends = [i for i in range(1, len(groups) + 1) if i == len(groups) or groups[i] != groups[i - 1]]
    batches, first = [], 1
    for end in ends:
        if end - first + 1 >= size or end == len(groups):
            batches.append((first, end))
            first = end + 1
    return batches


class ImageSets:
    """What Batch_data.h5 says of the image sets, read when it is asked for.

    Parameters
    ----------
    batch_data : Path

    Attributes
    ----------
    numbers : ndarray of int
        Image numbers.
    features : list of str
        Files, folders and metadata, as columns of the table of images are called.
    """

    def __init__(self, batch_data):
        try:
            self._file = h5py.File(batch_data, "r")
            (measurements,) = self._file["Measurements"].values()
            self._experiment = measurements["Experiment"]
            self._images = measurements["Image"]
            self.numbers = np.sort(self._images["ImageNumber"]["index"][:, 0])
        except (OSError, KeyError, ValueError):
            raise UserError(
                f"{batch_data} is not a file of CellProfiler's CreateBatchFiles: check the path."
            ) from None
        places = {name: self._places(values["index"][:]) for name, values in self._images.items()}
        self._at = {name: found for name, found in places.items() if found is not None}
        self.features = list(self._at)

    def _places(self, index):
        """Where the values of a feature are, by image number; None if there is not one each."""
        numbers, starts, ends = index[np.argsort(index[:, 0])].T
        one_each = np.array_equal(numbers, self.numbers) and np.all(ends - starts == 1)
        return starts if one_each else None

    def groups(self):
        """What tells the group of each image set; its own number where there is no grouping.

        Raises
        ------
        UserError
            CellProfiler would give the image sets of a batch other numbers.
        """
        if "Metadata_GroupingTags" not in self._experiment:
            return self.numbers
        tags = json.loads(self._experiment["Metadata_GroupingTags"]["data"][0])
        columns = [self._images[tag]["data"][:][self._at[tag]] for tag in tags]
        groups = list(zip(*(map(_text, column) for column in columns)))
        if groups != sorted(groups):
            raise UserError(
                f"The image sets are not in the order of their groups: sort the rows of the CSV "
                f"by {' and '.join(tags)}."
            )
        return groups

    def describe(self, number):
        """What is known of an image set beforehand, by feature.

        Parameters
        ----------
        number : int

        Returns
        -------
        dict of str to str
        """
        row = np.searchsorted(self.numbers, number)
        return {name: _text(self._images[name]["data"][at[row]]) for name, at in self._at.items()}


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def run(cellprofiler, batch_data, marker, threads=1, one_by_one=False):
    """Measure a batch.

    Parameters
    ----------
    cellprofiler : str
        Its command, with the options that every process needs.
    batch_data : Path
    marker : Path
        FIRST-LAST.txt, written when all is done: the names of the folders beside it that hold the
        results. Each is new, so that a forgotten run of the same batch cannot spoil them.
    threads : int
    one_by_one : bool
        Measure each image set (or group) in a process of its own, and go on when one dies. The
        last resort.

    Raises
    ------
    UserError
        CellProfiler did not go to its end.
    """
    first, last = map(int, marker.stem.split("-"))
    parts = [(first, last)]
    if one_by_one:
        groups = ImageSets(batch_data).groups()[first - 1 : last]
        parts = [(first - 1 + a, first - 1 + b) for a, b in split(groups, 1)]
    folders = []
    for part in parts:
        folder = Path(tempfile.mkdtemp(prefix="{:07}-{:07}_".format(*part), dir=marker.parent))
        folder.chmod(0o755)
        _run_part(cellprofiler, batch_data, part, folder, threads)
        if not (one_by_one or _is_finished(folder, part)):
            raise UserError(f"CellProfiler did not finish: {read_log(folder / LOG).run}")
        folders.append(folder.name)
    with whole_file(marker) as temporary:
        temporary.write_text("\n".join(folders) + "\n")


def _is_finished(folder, part):
    """Whether repeating is of no use.

    Where all image sets have failed by themselves, ExportToSpreadsheet finds no objects, and fails.
    """
    numbers = range(part[0], part[1] + 1)
    return is_done(folder) or read_log(folder / LOG).image_sets.keys() >= set(numbers)


def _run_part(cellprofiler, batch_data, part, folder, threads):
    with tempfile.TemporaryDirectory() as temporary:
        options = ["-p", batch_data, "-f", part[0], "-l", part[1], "-o", folder]
        options += ["-d", folder / DONE, "-t", temporary, "--always-continue"]
        _call_cellprofiler(cellprofiler, options, folder / LOG, threads)


def _call_cellprofiler(cellprofiler, options, log, threads=1):
    """Run it without a window; its output, and the signal that has killed it, go to a file."""
    command = [*shlex.split(cellprofiler), "-c", "-r", *map(str, options)]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "OMP_NUM_THREADS": str(threads)}
    with log.open("w") as file:
        try:
            status = subprocess.run(
                command, env=environment, stdout=file, stderr=subprocess.STDOUT
            ).returncode
        except OSError as error:
            raise UserError(
                f"{command[0]} cannot be run ({error.strerror}): "
                "check the command of CellProfiler, cellprofiler."
            ) from error
        if status < 0:
            file.write(f"Killed by {signal.Signals(-status).name}\n")


def is_done(folder):
    """Whether CellProfiler went to its end, and wrote tables."""
    done = folder / DONE
    return done.exists() and done.read_text().strip() == COMPLETE and any(folder.rglob("*.csv"))
