"""Merge the tables of all batches and list the image sets that failed.

python -m cluster_workflow.merge --help
"""

import csv
import re
from pathlib import Path
from typing import NamedTuple

import click

from cluster_workflow.batches import LOG, is_done
from cluster_workflow.cellprofiler_log import Failure, read_cellprofiler_log
from cluster_workflow.cellprofiler_process import CellProfiler
from cluster_workflow.image_sets import ImageSets
from micrograph_networks.commandline.commands import FILES, SETTINGS, example
from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import csv_table
from micrograph_networks.files.writing import output_folder

FAILURES = "failures.csv"
"""Table of the image sets without results."""

FAILURE = "Failure"
"""Column of the merged table of images: empty if the image set was measured."""

NUMBER = "ImageNumber"
"""CellProfiler's column of the number of an image set."""

NUMBERS = (NUMBER, "First Image Number")
"""Columns that identify the image set of a row; the second one is in tables of relationships."""

INTERNAL = ("Metadata_FileLocation", "Metadata_Frame", "Metadata_Series")
"""Metadata that CellProfiler adds to every file."""


class Batch(NamedTuple):
    """Results of one process of CellProfiler.

    Attributes
    ----------
    folder : Path
    numbers : range
        Image numbers.
    measured : set of int
        Image numbers of the image sets with results.
    failed : dict of int to Failure
        All other image numbers.
    """

    folder: Path
    numbers: range
    measured: set
    failed: dict


def merge(image_sets, folders, output):
    """Merge the tables of batches.

    Tables with the same name (and subfolder) become one. The table of images has one row for each
    image set: its measurements, or its files and metadata and the reason in the column Failure. The
    other tables have no rows of image sets that failed. Tables without image numbers, such as
    Experiment.csv, are not merged.

    Parameters
    ----------
    image_sets : ImageSets
    folders : list of Path
        Output folder of each process, named FIRST-LAST or FIRST-LAST_anything, with its log.
    output : Path
        Folder for the merged tables and FAILURES, which is written last.

    Returns
    -------
    (int, int)
        Number of image sets, and how many of them failed.

    Raises
    ------
    UserError
        An image set was measured twice or is in none of the folders, a table is damaged, or the
        output would replace the tables of a batch.
    """
    for folder in folders:
        if folder.resolve() in (output.resolve(), *output.resolve().parents):
            raise UserError(f"{output} is the folder of a batch: choose another one for --output.")
    batches = sorted(map(_read_batch, folders), key=lambda batch: batch.numbers[0])
    failed = _failures(batches, image_sets)
    names = {path.relative_to(b.folder) for b in batches for path in b.folder.rglob("*.csv")}
    for name in sorted(names):
        output_folder(output / name.parent)
        columns = list(dict.fromkeys(c for b in batches for c in _columns(b.folder / name)))
        if _is_of_images(columns):
            _merge_images(name, columns, batches, failed, output / name)
        elif columns:
            _merge_others(name, columns, batches, output / name)
    _write_failures(image_sets, failed, output_folder(output) / FAILURES)
    return len(image_sets.numbers), len(failed)


def _read_batch(folder):
    name = re.fullmatch(r"(\d+)-(\d+)(_.*)?", folder.name)
    if not name or not (folder / LOG).is_file():
        raise UserError(
            f"{folder} is not the folder of a batch: "
            f"name it by its first and last image set, as in 5-8, and keep its log there as {LOG}."
        )
    numbers = range(int(name[1]), int(name[2]) + 1)
    log = read_cellprofiler_log(folder / LOG)
    measured = set()
    other = Failure("", f"CellProfiler did not finish: {log.run}")
    if is_done(folder):
        other = Failure("", log.run)
        for table in folder.rglob("*.csv"):
            if _is_of_images(_columns(table)):
                measured.update(number for number, _ in _rows(table, [], numbers))
    measured -= log.image_sets.keys()
    failed = {n: log.image_sets.get(n, other) for n in numbers if n not in measured}
    return Batch(folder, numbers, measured, failed)


def _failures(batches, image_sets):
    """Return what the tables say about each image set that failed, by image number and column."""
    folders, failed = {}, {}
    for batch in batches:
        for number in batch.measured:
            if number in folders:
                raise UserError(
                    f"Image set {number} was measured in {folders[number]} and in {batch.folder}: "
                    "give one of them."
                )
            folders[number] = batch.folder
        failed.update(batch.failed)
    records = {}
    for number in image_sets.numbers:
        if number in folders:
            continue
        if number not in failed:
            raise UserError(
                f"Image set {number} is in none of the folders: give those of all batches, "
                "and run the batches that are left."
            )
        module, reason = failed[number]
        records[number] = {
            NUMBER: number,
            **image_sets.describe(number),
            "Module": module,
            "Reason": reason,
            FAILURE: f"{module}: {reason}" if module else reason,
        }
    return records


def _write_failures(image_sets, failed, path):
    known = [
        feature
        for feature in image_sets.values
        if feature.startswith(("Metadata_", "FileName_", "PathName_")) and feature not in INTERNAL
    ]
    columns = [NUMBER, *known, "Module", "Reason"]
    with csv_table(path, columns) as writer:
        writer.writerows([record[column] for column in columns] for record in failed.values())


def _merge_images(name, columns, batches, failed, path):
    heading = [*(column for (column,) in columns), FAILURE]
    pending = dict(failed)
    with csv_table(path, heading) as writer:
        for batch in batches:
            rows = dict(_rows(batch.folder / name, columns, batch.measured))
            for number in batch.numbers:
                if number in rows:
                    writer.writerow([*rows[number], ""])
                elif number in pending:
                    record = pending.pop(number)
                    writer.writerow([record.get(column, "") for column in heading])


def _merge_others(name, columns, batches, path):
    first, *second = zip(*columns)
    with csv_table(path, first) as writer:
        writer.writerows(second)
        for batch in batches:
            writer.writerows(row for _, row in _rows(batch.folder / name, columns, batch.measured))


def _columns(path):
    """Return the columns of a table as tuples: (name,), or (object, feature) of combined objects.

    The list is empty if the table does not exist or has no image numbers.
    """
    if not path.exists():
        return []
    with _open(path) as file:
        return _heading(csv.reader(file))


def _open(path):
    # Bytes of file names that are not UTF-8 become escapes.
    return path.open(newline="", encoding="utf-8", errors="surrogateescape")


def _heading(rows):
    lines = [next(rows, [])]
    if not set(NUMBERS).intersection(lines[0]):
        lines.append(next(rows, []))
    return list(zip(*lines)) if set(NUMBERS).intersection(lines[-1]) else []


def _is_of_images(columns):
    names = [column[-1] for column in columns]
    return NUMBER in names and "ObjectNumber" not in names


def _rows(path, columns, numbers):
    """Select the rows of some image sets and align them to the given columns.

    Yields
    ------
    (int, list of str)
        Image number and values; columns that the table lacks are empty.
    """
    if not path.exists():
        return
    with _open(path) as file:
        rows = csv.reader(file)
        heading = _heading(rows)
        names = [column[-1] for column in heading]
        number_index = next(names.index(name) for name in NUMBERS if name in names)
        indices = [heading.index(column) if column in heading else -1 for column in columns]
        for row in rows:
            if len(row) < len(heading) or not row[number_index].isdigit():
                raise UserError(f"{path}: line {rows.line_num} is damaged: run the batch again.")
            number = int(row[number_index])
            row.append("")  # the value at index -1
            if number in numbers:
                yield number, [row[index] for index in indices]


@click.command(
    context_settings=SETTINGS,
    epilog=example(
        "python -m cluster_workflow.merge --batch-data batch/Batch_data.h5 --output merged out/*"
    ),
)
@click.argument("folders", nargs=-1, required=True, type=FILES)
@click.option("--batch-data", required=True, type=FILES, help="File of CreateBatchFiles.")
@click.option("--output", required=True, type=FILES, help="Folder for the merged tables.")
@click.option(
    "--cellprofiler",
    default="cellprofiler",
    help="Command of CellProfiler, which reads its file.",
)
@click.option(
    "--cellprofiler-python",
    default="",
    help="Command of the Python in which CellProfiler is installed, if it is not found from the "
    "command of CellProfiler.",
)
def main(folders, batch_data, output, cellprofiler, cellprofiler_python):
    """Merge the tables of FOLDERS, one for each batch, and list the image sets that failed.

    A folder is named by its first and last image set, as in 5-8. It contains the tables that
    CellProfiler wrote, its log (cellprofiler.log) and done.txt (its option -d).
    """
    try:
        program = CellProfiler(cellprofiler, cellprofiler_python)
        image_sets = ImageSets.of_batch_data(program, batch_data)
        total, failed = merge(image_sets, folders, output)
    except UserError as error:
        raise click.UsageError(str(error)) from None
    click.echo(summary(total, failed, output))
    raise SystemExit(1 if failed else 0)


def summary(total, failed, output):
    """Return one line about a merge."""
    return f"{total} image sets: {total - failed} measured, {failed} failed ({output / FAILURES})"


if __name__ == "__main__":
    main()
