"""Settings of a report that a module writes at the end of a run."""

import logging
import re
from pathlib import Path
from typing import Callable, Iterable, List, NamedTuple, Optional, Sequence

from cellprofiler_core.constants.module import IO_FOLDER_CHOICE_HELP_TEXT
from cellprofiler_core.module import Module
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.preferences import DEFAULT_OUTPUT_FOLDER_NAME
from cellprofiler_core.setting import Binary, Setting, ValidationError
from cellprofiler_core.setting.text import Directory, Text
from cellprofiler_core.workspace import Workspace

from micrograph_networks.errors import UserError
from micrograph_networks.files.ownership import check_replaceable, writing_as

NO_FILE_NAME = re.compile(r'[\\/:*?"<>|]|^\.|^$|[. ]$')
"""Found in texts that are no file name on some system."""


class Covered(NamedTuple):
    """Image sets that a report covers.

    Attributes
    ----------
    suffix : str
        End of the report's name; empty if it covers all image sets.
    note : str
        Sentence that says which it covers; empty likewise.
    """

    suffix: str = ""
    note: str = ""


class ReportSettings:
    """Settings of a report: whether it is written, its folder and its name.

    Parameters
    ----------
    question : str
        Label of the first setting.
    name : str
        Default of the name.
    doc : str
        Help of the first setting.
    """

    def __init__(self, question: str, name: str, doc: str) -> None:
        used_only = f'*(Used only if "Yes" is selected for "{question}")*'
        self.wanted = Binary(question, False, doc=doc)
        self.directory = Directory(
            "Report location",
            f"{DEFAULT_OUTPUT_FOLDER_NAME}|",
            allow_metadata=False,
            doc=f"{used_only}\n\nSelect the folder of the report.\n\n{IO_FOLDER_CHOICE_HELP_TEXT}",
        )
        self.name = Text(
            "Report name",
            name,
            doc=f"""\
{used_only}

Enter the start of the names of the report's files. The name of the image follows. Files of an
earlier report with the same names are replaced; other files are not.
""",
        )
        self._image_sets: Optional[int] = None

    def all(self) -> List[Setting]:
        """Return all settings in the order in which pipelines save them."""
        return [self.wanted, self.directory, self.name]

    def visible(self) -> List[Setting]:
        """Return the settings that are used now."""
        return self.all() if self.wanted.value else [self.wanted]

    def is_wanted(self, workspace: Workspace) -> bool:
        """Return True if the run of this workspace ends with a report: not in test mode."""
        return self.wanted.value and not workspace.pipeline.test_mode

    def folder(self) -> Path:
        """Return the folder of the report."""
        return Path(self.directory.get_absolute_path())

    def validate(self, module: Module, pipeline: Optional[Pipeline]) -> None:
        """Raise ValidationError if the name is no file name, or an earlier module's report has it.

        Parameters
        ----------
        module : Module
            Module with the settings, as ``report``.
        pipeline : Pipeline, optional
        """
        if not self.wanted.value:
            return
        if NO_FILE_NAME.search(self.name.value):
            raise ValidationError(
                f"'{self.name.value}' cannot start the name of a file: enter another text",
                self.name,
            )
        for other in pipeline.modules() if pipeline else []:
            if other.module_num < module.module_num and self._collides(other):
                raise ValidationError(
                    f"The report of module {other.module_num} has the same files: enter another "
                    "name",
                    self.name,
                )

    def _collides(self, other: Module) -> bool:
        report = getattr(other, "report", None)
        if not (isinstance(report, ReportSettings) and other.enabled and report.wanted.value):
            return False
        places = [str(one.folder() / one.name.value).casefold() for one in (self, report)]
        return places[0] == places[1]

    def prepare_run(self, module: Module, workspace: Workspace, paths: Sequence[Path]) -> bool:
        """Note the number of image sets before CellProfiler leaves out those of other processes.

        Parameters
        ----------
        module : Module
            Module with the settings.
        workspace : Workspace
        paths : sequence of Path
            Files of the report.

        Returns
        -------
        bool
            False, after telling the user, if a file exists that the module did not write.
        """
        self._image_sets = workspace.measurements.image_set_count
        if self.is_wanted(workspace):
            try:
                with writing_as(module.module_name):
                    check_replaceable(paths)
            except UserError as error:
                logging.error("%s: %s", module.module_name, error)
                workspace.pipeline.report_prepare_run_error(module, str(error))
                return False
        return True

    def write(
        self, module: Module, workspace: Workspace, write_files: Callable[[], Iterable[Path]]
    ) -> None:
        """Write files at the end of a run, if they are wanted, and log their paths.

        What prevents it is logged. An exception would keep the modules after this one from writing
        their tables.

        Parameters
        ----------
        module : Module
            Module with the settings.
        workspace : Workspace
        write_files : callable
            Writes the files and returns their paths, or raises UserError.
        """
        if not self.is_wanted(workspace):
            return
        try:
            with writing_as(module.module_name):
                for path in write_files():
                    logging.info("%s wrote %s", module.module_name, path)
        except UserError as error:
            logging.error("%s: %s", module.module_name, error)

    def covered(self, pipeline: Pipeline, image_numbers: Sequence[int]) -> Covered:
        """Return which image sets the report of these image numbers covers."""
        total, in_batch = self._image_sets, pipeline.in_batch_mode()
        if total is None or not in_batch and len(image_numbers) == total:
            return Covered()
        first, last = image_numbers[0], image_numbers[-1]
        of_all = "" if in_batch else f" of {total}"  # a batch knows only its own image sets
        return Covered(
            f"_sets_{first}_to_{last}",
            f"This report covers a part of the run, image sets {first} to {last}{of_all}: wells or "
            "slides may lack images or be absent.",
        )
