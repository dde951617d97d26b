"""Base class of the CellProfiler modules: choice of the model, its options, and validation.

Only this folder and plugins/ import CellProfiler.
"""

import contextlib
import functools
import gc
import logging
import os
import threading
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from cellprofiler_core.constants.measurement import (
    COLTYPE_VARCHAR_FILE_NAME,
    COLTYPE_VARCHAR_FORMAT,
    EXPERIMENT,
    IMAGE,
)
from cellprofiler_core.constants.module import IO_FOLDER_CHOICE_HELP_TEXT
from cellprofiler_core.image import Image
from cellprofiler_core.module import Module
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.preferences import report_progress
from cellprofiler_core.setting import Setting, ValidationError
from cellprofiler_core.setting.choice import Choice
from cellprofiler_core.setting.text import Directory, Filename
from cellprofiler_core.setting.text.alphanumeric.name import Name
from cellprofiler_core.workspace import Workspace

from micrograph_networks.cellprofiler.measurements import Feature, MeasuringModule
from micrograph_networks.cellprofiler.model_cache import (
    DESCRIPTIONS,
    MODELS,
    exclude_from_collections,
)
from micrograph_networks.cellprofiler.settings import OptionSettings
from micrograph_networks.engines import EngineOptions, chosen_engine
from micrograph_networks.errors import UserError
from micrograph_networks.models.loading import read_network
from micrograph_networks.models.registry import ADVICE, ShippedModel, shipped_models
from micrograph_networks.models.weights_file import Networks

# If the registry is damaged, fail now: the plugin then shows its placeholder in the module list.
shipped_models(())

logger = logging.getLogger(__name__)

F_MODEL = "Model"
F_ENGINE = "Engine"
CUSTOM_MODEL = "Custom model"
"""Choice of the user's own weights file."""


@dataclass(frozen=True)
class Core:
    """Parts of a core that its module needs.

    Attributes
    ----------
    networks : Networks
        Declarations of the core's networks, by architecture.
    load_model : callable
        Function from a model's name or path and EngineOptions to the loaded model.
    train_command : str
        Command that trains a model.
    weights_file : str
        Name of the weights file that the command writes.
    """

    networks: Networks
    load_model: Callable[[str, EngineOptions], Any]
    train_command: str
    weights_file: str


class NetworkModule(MeasuringModule):
    """A module that runs a trained network, chosen by the user, on two-dimensional images.

    A subclass calls :meth:`create_model_settings` and sets ``engine_options`` in
    ``create_settings``. It declares its measurements in ``model_names``, ``features``, and
    ``created_objects``.

    Attributes
    ----------
    engine_options : OptionSettings
        Settings of EngineOptions.
    """

    engine_options: OptionSettings

    def create_model_settings(self, core: Core, trained_on: str, custom: str) -> None:
        """Create the settings that choose the model.

        Parameters
        ----------
        core : Core
        trained_on : str
            Training images of the shipped models, for the help.
        custom : str
            Training data of a custom model and when to consider one, for the help.
        """
        self.core = core
        names = [model.name for model in self._shipped_models()]
        self.model = Choice(
            "Select the model",
            [*names, CUSTOM_MODEL],
            value=names[-1],
            doc=f"""\
Select the trained network.

-  *{", ".join(names)}:* Models that come with the module, the newest one last. They were trained on
   {trained_on}. Nothing is downloaded. A saved pipeline keeps its model and therefore its results
   when a newer model is released.
-  *{CUSTOM_MODEL}:* Your own weights file, trained by *{core.train_command}* on {custom}
""",
        )
        self.weights_directory = Directory(
            "Weights file location",
            allow_metadata=False,
            doc=f"""\
*(Used only if "{CUSTOM_MODEL}" is selected)*

Select the folder of the weights file.

{IO_FOLDER_CHOICE_HELP_TEXT}
""",
        )
        self.weights_file = Filename(
            "Weights file name",
            core.weights_file,
            get_directory_fn=self.weights_directory.get_absolute_path,
            set_directory_fn=self._set_weights_directory,
            exts=[("Weights file (*.h5)", "*.h5"), ("All files (*.*)", "*.*")],
            doc=f"""\
*(Used only if "{CUSTOM_MODEL}" is selected)*

Enter the name of the weights file, an HDF5 file that *{core.train_command}* wrote.
""",
        )

    def create_option_settings(self, group: type) -> OptionSettings:
        """Create a setting for each option of a dataclass, as attributes of the same names."""
        settings = OptionSettings(group)
        for name, setting in settings.by_name.items():
            setattr(self, name, setting)
        return settings

    def model_settings(self) -> List[Setting]:
        """Return the settings of the model in the order in which pipelines save them."""
        return [self.model, self.weights_directory, self.weights_file]

    def visible_model_settings(self) -> List[Setting]:
        """Return the settings of the model that are used now."""
        return self.model_settings() if self.model == CUSTOM_MODEL else [self.model]

    def chosen_model(self) -> str:
        """Return the name of the chosen model, or the path of the custom weights file."""
        if self.model != CUSTOM_MODEL:
            return self.model.value
        folder = self.weights_directory.get_absolute_path()
        return os.path.abspath(os.path.join(folder, self.weights_file.value))

    def validate_weights_file(self) -> None:
        """Raise ValidationError if the weights file does not exist. The file is not read."""
        chosen = self.chosen_model()
        if self.model == CUSTOM_MODEL and not os.path.isfile(chosen):
            raise ValidationError(f"The weights file {chosen} does not exist", self.weights_file)
        for model in self._shipped_models():
            if model.name == chosen and not model.path.is_file():
                raise ValidationError(f"{model.path} does not exist: {ADVICE}", self.model)

    def validate_names(self, pipeline: Optional[Pipeline]) -> None:
        """Raise ValidationError for images, objects, or measurements of an earlier module.

        They would be overwritten. Without a pipeline there are none.
        """
        if pipeline is None:
            return
        settings = self.visible_settings()
        for setting in settings:
            if isinstance(setting, Name):
                earlier = pipeline.get_provider_dictionary(setting.group, self)
                if setting.value in earlier:
                    _refuse_to_overwrite(setting.value, earlier[setting.value], setting)
        measured = pipeline.get_provider_dictionary("measurementsgroup", self)
        for column in self.get_measurement_columns(pipeline):
            if column[:2] in measured:
                feature = column[1]
                named = [s for s in settings if feature.endswith(f"_{s.value_text}")]
                _refuse_to_overwrite(feature, measured[column[:2]], (named or settings)[0])

    def validate_module_warnings(self, pipeline: Pipeline) -> None:
        """Raise ValidationError, while the user edits the pipeline, for errors of a later run."""
        try:
            self.described_model()
        except UserError as error:
            setting = self.weights_file if self.model == CUSTOM_MODEL else self.model
            raise ValidationError(str(error), setting) from error
        try:
            chosen_engine(self.engine_options.options())
        except UserError as error:
            raise ValidationError(str(error), self.engine_options.by_name["engine"]) from error

    def described_model(self) -> Dict[str, Any]:
        """Return the attributes of the chosen model's weights file.

        Raises
        ------
        UserError
            The file cannot be read, or is for another network.
        """
        key = (self.core.load_model, self.chosen_model(), self._last_change())
        return DESCRIPTIONS.get(key, self._describe_model)

    def _describe_model(self) -> Dict[str, Any]:
        weights, _ = read_network(self.chosen_model(), self.core.networks)
        return weights.attributes

    def model_names(self) -> Sequence[str]:
        """Return the names at the end of the measurements Model and Engine."""
        raise NotImplementedError

    def features(self) -> List[Feature]:
        """Return the features Model and Engine. A subclass adds its own."""
        features = []
        for name in self.model_names():
            features.append(Feature(EXPERIMENT, F_MODEL, name, COLTYPE_VARCHAR_FILE_NAME))
            features.append(Feature(IMAGE, F_ENGINE, name, COLTYPE_VARCHAR_FORMAT % 32))
        return features

    def prepare_run(self, workspace: Workspace) -> bool:
        """Measure the name of the model. Return True: it succeeded."""
        for name in self.model_names():
            feature = self.measurement_name(F_MODEL, name)
            workspace.measurements.add_experiment_measurement(feature, self.chosen_model())
        return True

    def loaded_model(self, workspace: Workspace) -> Any:
        """Return the chosen model, as the core's ``load_model`` returns it.

        It is loaded once in a process. The engine that computes it is measured.

        Parameters
        ----------
        workspace : Workspace
            Workspace of the run.

        Raises
        ------
        UserError
            The model cannot be loaded.
        """
        key = self._model_key()
        if key in MODELS:
            model = _load_once(key)
        else:
            with _progress(f"Loading {self.chosen_model()}"):
                model = _load_once(key)
        if gc.get_freeze_count() == 0:
            # Its file list leads back to the workspace, which would then never be freed.
            workspace.set_file_list(None)
            exclude_from_collections()
        for name in self.model_names():
            feature = self.measurement_name(F_ENGINE, name)
            workspace.measurements.add_image_measurement(feature, model.engine)
        return model

    def on_activated(self, workspace: Workspace) -> None:
        """Start to load the model when the user selects the module in CellProfiler's window."""
        self._load_ahead()

    def on_setting_changed(self, setting: Setting, pipeline: Pipeline) -> None:
        """Start to load another model as soon as the user chooses it in CellProfiler's window."""
        # Compare by identity: CellProfiler's settings are equal if their values are.
        if any(setting is one for one in (*self.model_settings(), *self.engine_options.all())):
            self._load_ahead()

    def _load_ahead(self) -> None:
        try:
            key = self._model_key()
        except UserError:  # settings that a run refuses
            return
        # Python waits for it at its end: TensorFlow crashes if it is still loading then.
        threading.Thread(target=_load_quietly, args=(key,), name="load-ahead").start()

    def _model_key(self) -> Tuple:
        """Return all that the loaded model depends on."""
        engine = self.engine_options.options()
        return self.core.load_model, self.chosen_model(), self._last_change(), engine

    def _last_change(self) -> Optional[Tuple[int, ...]]:
        """Return what tells a version of the weights file from the next, which is loaded anew.

        The time of the last change alone does not: a copied file can bring an old time with it.
        """
        try:
            status = os.stat(self.chosen_model())
        except OSError:  # a shipped model, or a file that is missing, which a run reports
            return None
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino

    def prepare_to_create_batch(self, workspace: Workspace, fn_alter_path: Callable) -> bool:
        """Translate the folder of the weights file for a cluster. Return True: it succeeded."""
        self.weights_directory.alter_for_create_batch_files(fn_alter_path)
        return True

    def _shipped_models(self) -> List[ShippedModel]:
        return shipped_models(self.core.networks)

    def _set_weights_directory(self, path: str) -> None:
        self.weights_directory.join_parts(*self.weights_directory.get_parts_from_path(path))


def _refuse_to_overwrite(
    name: str, makers: Sequence[Tuple[Module, Optional[Setting]]], setting: Setting
) -> None:
    maker, _ = makers[-1]
    raise ValidationError(
        f"{name} is already made by {maker.module_name}, module {maker.module_num}, and would be "
        "overwritten. Change or remove one of the two",
        setting,
    )


def _load_once(key: Tuple) -> Any:
    load_model, model, _, engine = key
    return MODELS.get(key, functools.partial(load_model, model, engine))


def _load_quietly(key: Tuple) -> None:
    """Load a model in a thread while the user is still editing. A run shows errors."""
    try:
        _load_once(key)
    except Exception:
        logger.debug("%s was not loaded ahead", key[1], exc_info=True)


@contextlib.contextmanager
def _progress(message: str) -> Iterator[None]:
    """Show a message below the settings in CellProfiler's window while the block runs."""
    # CellProfiler raises an error if another thread, such as a worker's, reports progress.
    shown = threading.current_thread() is threading.main_thread()
    if shown:
        report_progress(message, 0, message)
    try:
        yield
    finally:
        if shown:
            report_progress(message, 1, None)


def input_mask(image: Image) -> Optional[np.ndarray]:
    """Return the mask of an image, bool (height, width), or None if all pixels count."""
    return image.mask if image.has_mask else None
