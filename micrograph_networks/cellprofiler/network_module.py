"""What the CellProfiler modules share: the choice of a model, its options, and users' mistakes.

Nothing outside of this folder and of plugins/ imports CellProfiler.
"""

import contextlib
import functools
import gc
import os
from typing import Any, Callable, Iterable, Iterator, List, Optional

import numpy as np
from cellprofiler_core.constants.module import IO_FOLDER_CHOICE_HELP_TEXT
from cellprofiler_core.image import Image
from cellprofiler_core.module import Module
from cellprofiler_core.setting import Setting, ValidationError
from cellprofiler_core.setting.choice import Choice
from cellprofiler_core.setting.text import Directory, Filename
from cellprofiler_core.workspace import Workspace
from matplotlib.figure import Figure
from matplotlib.image import interpolations_names

from micrograph_networks.cellprofiler.settings import OptionSettings
from micrograph_networks.engines import EngineOptions
from micrograph_networks.errors import UserError, enough_memory
from micrograph_networks.models.registry import shipped_models
from micrograph_networks.products import PRODUCTS

M_CUSTOM = "Custom model"
"""The choice of a weights file of one's own."""
SHIPPED_UNTIL_0_1 = "Shipped model"
"""What the first version of the modules called the model that is now the first of its name."""


class NetworkModule(Module):
    """A module that runs a trained network on planes, with a model that the user chooses."""

    def create_model_settings(self, trained_on: str, custom: str) -> None:
        """Create the settings of the model.

        Parameters
        ----------
        trained_on : str
            What the shipped models were trained on, for the help text.
        custom : str
            What weights of one's own are trained on and when to consider them.
        """
        (product,) = (p for p in PRODUCTS if p.module == self.module_name)
        names = [model.name for model in shipped_models(product.architectures)]
        self.model = Choice(
            "Select the model",
            [*names, M_CUSTOM],
            value=names[-1],
            doc=f"""\
-  *{", ".join(names)}:* What comes with the module, the newest last, trained on {trained_on}.
   Nothing is downloaded. A saved pipeline keeps its model, and so its numbers, when a newer one
   comes.
-  *{M_CUSTOM}:* A weights file of your own, made by *python -m {product.package} train* from
   {custom}
""",
        )
        self.weights_directory = Directory(
            "Weights file location",
            allow_metadata=False,
            doc=f"""\
*(Used only if "{M_CUSTOM}" is selected)*

Select the folder of the weights file.

{IO_FOLDER_CHOICE_HELP_TEXT}
""",
        )
        self.weights_file = Filename(
            "Weights file name",
            product.weights_file,
            get_directory_fn=self.weights_directory.get_absolute_path,
            set_directory_fn=self._set_weights_directory,
            exts=[("Weights file (*.h5)", "*.h5"), ("All files (*.*)", "*.*")],
            doc=f"""\
*(Used only if "{M_CUSTOM}" is selected)*

Enter the name of the weights file, an HDF5 file written by *python -m {product.package} train*.
""",
        )

    def create_option_settings(self, group: type) -> OptionSettings:
        """Create the settings of a dataclass's options, as attributes of their names.

        Parameters
        ----------
        group : type

        Returns
        -------
        OptionSettings
        """
        settings = OptionSettings(group)
        for name, setting in settings.by_name.items():
            setattr(self, name, setting)
        return settings

    def model_settings(self) -> List[Setting]:
        """Settings of the model in the order in which they are saved.

        Returns
        -------
        list of Setting
        """
        return [self.model, self.weights_directory, self.weights_file]

    def visible_model_settings(self) -> List[Setting]:
        """Settings of the model that matter now.

        Returns
        -------
        list of Setting
        """
        return self.model_settings() if self.model == M_CUSTOM else [self.model]

    def chosen_model(self) -> str:
        """Name of the chosen model, or path of its weights file.

        Returns
        -------
        str
        """
        if self.model != M_CUSTOM:
            return self.model.value
        folder = self.weights_directory.get_absolute_path()
        return os.path.abspath(os.path.join(folder, self.weights_file.value))

    def validate_weights_file(self) -> None:
        """Refuse a weights file that does not exist, without reading it.

        Raises
        ------
        ValidationError
        """
        path = self.chosen_model()
        if self.model == M_CUSTOM and not os.path.isfile(path):
            raise ValidationError(f"The weights file {path} does not exist", self.weights_file)

    def loaded_model(
        self,
        workspace: Workspace,
        load_model: Callable[[str, EngineOptions], Any],
        engine: EngineOptions = EngineOptions(),
    ) -> Any:
        """The chosen model, loaded once in a process.

        Parameters
        ----------
        workspace : Workspace
            Of the run.
        load_model : callable
            Of the core.
        engine : EngineOptions

        Returns
        -------
        object
            What ``load_model`` gives.

        Raises
        ------
        UserError
            It cannot be loaded.
        """
        chosen = self.chosen_model()
        loaded_before = _load_once.cache_info().misses
        model = _load_once(load_model, chosen, _changed(chosen), engine)
        if _load_once.cache_info().misses > loaded_before:
            _leave_to_collections(workspace)
        return model

    def read_of_model(self, read: Callable[[str], Any]) -> Any:
        """What a function of the core reads of the chosen model, once in a process.

        Parameters
        ----------
        read : callable
            Takes the name or the path of a model.

        Returns
        -------
        object

        Raises
        ------
        UserError
            It cannot be read.
        """
        chosen = self.chosen_model()
        return _read_once(read, chosen, _changed(chosen))

    def prepare_to_create_batch(self, workspace: Workspace, fn_alter_path: Callable) -> bool:
        """Translate the folder of the weights file into that of a cluster.

        Returns
        -------
        bool
            True: all went well.
        """
        self.weights_directory.alter_for_create_batch_files(fn_alter_path)
        return True

    def volumetric(self) -> bool:
        """Whether the module works on volumes.

        Returns
        -------
        bool
            False: CellProfiler refuses pipelines of volumes with a sentence of its own.
        """
        return False

    def _set_weights_directory(self, path: str) -> None:
        self.weights_directory.join_parts(*self.weights_directory.get_parts_from_path(path))


@functools.lru_cache(maxsize=4)
def _load_once(
    load_model: Callable, model: str, changed: Optional[int], engine: EngineOptions
) -> Any:
    return load_model(model, engine)


@functools.lru_cache(maxsize=64)
def _read_once(read: Callable, model: str, changed: Optional[int]) -> Any:
    return read(model)


def _changed(model: str) -> Optional[int]:
    """When a weights file was changed: one that was trained anew is read anew."""
    return os.stat(model).st_mtime_ns if os.path.isfile(model) else None


def _leave_to_collections(workspace: Workspace) -> None:
    """Leave a model and what computes it out of later collections: a millisecond, not 0.1 s.

    The workspace at work is left out with it. It is freed all the same if it is in no cycle of
    references: that of CellProfiler leads over its list of files, which no run needs.
    """
    workspace.set_file_list(None)
    gc.collect()
    gc.freeze()


def free_earlier_image_sets() -> None:
    """Free the images and objects of earlier image sets, at the end of a module's run.

    CellProfiler's workspace holds them by a cycle of references, which Python finds only after
    dozens of image sets, unless the user lets CellProfiler conserve memory.
    """
    gc.collect()


def input_mask(image: Image) -> Optional[np.ndarray]:
    """Where an image counts.

    Parameters
    ----------
    image : cellprofiler_core.image.Image

    Returns
    -------
    ndarray of bool, (height, width), or None
        None: everywhere.
    """
    return image.mask if image.has_mask else None


SMOOTH = "antialiased" if "antialiased" in interpolations_names else "hanning"
"""Interpolation of pictures with thin lines, most of which CellProfiler's default, nearest, drops.

Matplotlib 3.1, that of the CellProfiler application, knows the second only."""


def keep_to_left_half(figure: Figure) -> None:
    """Leave the right half of a figure to CellProfiler's table, which is no part of its layout.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    """
    if hasattr(figure, "get_layout_engine"):
        figure.get_layout_engine().set(rect=(0, 0, 0.5, 1))
    else:  # Matplotlib 3.1
        figure.set_constrained_layout(False)
        figure.subplots_adjust(left=0.05, right=0.36)


@contextlib.contextmanager
def shown_errors(image_name: str) -> Iterator[None]:
    """Let CellProfiler show a user's mistake as one sentence; the log has what led to it.

    Parameters
    ----------
    image_name : str
        The image at work, put before the sentence.

    Raises
    ------
    ValueError
        Where the block raises UserError or MemoryError.
    """
    try:
        with enough_memory():
            yield
    except UserError as error:
        raise ValueError(f"{image_name}: {error}") from error


def refuse_repeats(settings: Iterable[Setting]) -> None:
    """Refuse two settings of the same value.

    Parameters
    ----------
    settings : iterable of Setting

    Raises
    ------
    ValidationError
        On the later one.
    """
    seen = set()
    for setting in settings:
        if setting.value in seen:
            raise ValidationError(f"{setting.value} has already been used above", setting)
        seen.add(setting.value)
