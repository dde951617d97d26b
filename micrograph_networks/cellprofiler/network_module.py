"""What the CellProfiler modules share: the choice of a model, its options, and users' mistakes.

Nothing outside of this folder and of plugins/ imports CellProfiler.
"""

import contextlib
import functools
import gc
import logging
import os
import threading
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from cellprofiler_core.constants.module import IO_FOLDER_CHOICE_HELP_TEXT
from cellprofiler_core.image import Image
from cellprofiler_core.module import Module
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.preferences import report_progress
from cellprofiler_core.setting import Setting, ValidationError
from cellprofiler_core.setting.choice import Choice
from cellprofiler_core.setting.text import Directory, Filename
from cellprofiler_core.workspace import Workspace
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import interpolations_names

from micrograph_networks.cellprofiler.settings import OptionSettings
from micrograph_networks.engines import chosen_engine
from micrograph_networks.errors import UserError, explain_memory_errors
from micrograph_networks.models.loading import read_network
from micrograph_networks.models.registry import ADVICE, REGISTRY, ShippedModel, shipped_models
from micrograph_networks.networks.layers import Network
from micrograph_networks.products import PRODUCTS, Product

if not REGISTRY.is_file():
    # While the plugin is imported, which can still show it in CellProfiler's list.
    raise ImportError(f"{REGISTRY} does not exist")

logger = logging.getLogger(__name__)

M_CUSTOM = "Custom model"
"""The choice of a weights file of one's own."""


class NetworkModule(Module):
    """A module that runs a trained network on planes, with a model that the user chooses.

    Attributes
    ----------
    engine_options : OptionSettings
        What computes; the module creates it, as it says which options there are.
    """

    engine_options: OptionSettings

    def create_model_settings(self, trained_on: str, custom: str) -> None:
        """Create the settings of the model.

        Parameters
        ----------
        trained_on : str
            What the shipped models were trained on, for the help text.
        custom : str
            What weights of one's own are trained on and when to consider them.
        """
        product = self._product
        names = [model.name for model in self._shipped_models()]
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
        for model in self._shipped_models():
            if model.name == self.model.value and not model.path.is_file():
                raise ValidationError(
                    f"The weights {model.path} do not exist: {ADVICE}", self.model
                )

    def validate_module_warnings(self, pipeline: Pipeline) -> None:
        """Say in the window, while the user is still choosing, what a run would refuse.

        Raises
        ------
        ValidationError
        """
        try:
            self.described_model()
        except UserError as error:
            setting = self.weights_file if self.model == M_CUSTOM else self.model
            raise ValidationError(str(error), setting) from error
        try:
            chosen_engine(self.engine_options.options())
        except UserError as error:
            raise ValidationError(str(error), self.engine_options.by_name["engine"]) from error

    def described_model(self) -> Tuple[Dict[str, Any], Network]:
        """What the weights file of the chosen model says, and the network that it is for.

        Returns
        -------
        dict, Network
            The attributes of :class:`micrograph_networks.models.weights_file.Weights`.

        Raises
        ------
        UserError
            The file cannot be read, or is for another network.
        """
        return _describe(self._product, self.chosen_model(), self._last_change())

    def loaded_model(self, workspace: Workspace) -> Any:
        """The chosen model, loaded once in a process.

        Parameters
        ----------
        workspace : Workspace
            Of the run.

        Returns
        -------
        object
            What ``load_model`` of the core gives.

        Raises
        ------
        UserError
            It cannot be loaded.
        """
        wanted = self._wanted_model()
        model = _loaded.get(wanted)
        if model is None:
            with _progress(f"Loading {self.chosen_model()}"):
                model = _load_once(wanted)
            _leave_to_collections(workspace)
        return model

    def on_activated(self, workspace: Workspace) -> None:
        """Start to load the model when the window shows the module."""
        self._load_ahead()

    def on_setting_changed(self, setting: Setting, pipeline: Pipeline) -> None:
        """Start to load another model as soon as it is chosen in the window."""
        # Settings are equal where their values are.
        if any(setting is one for one in (*self.model_settings(), *self.engine_options.all())):
            self._load_ahead()

    def _load_ahead(self) -> None:
        wanted = (self._wanted_model(),)
        threading.Thread(target=_load_quietly, args=wanted, name="load-ahead", daemon=True).start()

    @property
    def _product(self) -> Product:
        (product,) = (p for p in PRODUCTS if p.module == self.module_name)
        return product

    def _wanted_model(self) -> Tuple:
        """All that :func:`_load_once` needs."""
        engine = self.engine_options.options()
        return self._product, self.chosen_model(), self._last_change(), engine

    def _last_change(self) -> Optional[int]:
        """Of the weights file: one that was trained anew is loaded anew."""
        chosen = self.chosen_model()
        return os.stat(chosen).st_mtime_ns if os.path.isfile(chosen) else None

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

    def _shipped_models(self) -> List[ShippedModel]:
        return shipped_models(self._product.architectures)

    def _set_weights_directory(self, path: str) -> None:
        self.weights_directory.join_parts(*self.weights_directory.get_parts_from_path(path))


@contextlib.contextmanager
def _progress(message: str) -> Iterator[None]:
    """Let CellProfiler's window, if there is one, say below its settings what is going on."""
    # It has it said by the main thread alone, and raises an error in others, as workers have.
    shown = threading.current_thread() is threading.main_thread()
    if shown:
        report_progress(message, 0, message)
    try:
        yield
    finally:
        if shown:
            report_progress(message, 1, None)


MOST_MODELS = 4
"""That a process keeps."""
_loaded: Dict[Tuple, Any] = {}
_loading = threading.Lock()


def _load_once(wanted: Tuple) -> Any:
    """Load a model that is not loaded yet; whoever wants one meanwhile waits."""
    with _loading:
        if wanted not in _loaded:
            product, model, _, engine = wanted
            loaded = product.part("inference.model").load_model(model, engine)
            while len(_loaded) >= MOST_MODELS:
                del _loaded[next(iter(_loaded))]
            _loaded[wanted] = loaded
        return _loaded[wanted]


def _load_quietly(wanted: Tuple) -> None:
    """Load a model in a thread, while the user is still choosing; a run shows what is wrong."""
    try:
        _load_once(wanted)
    except Exception:
        logger.debug("%s is not loaded ahead", wanted[1], exc_info=True)


@functools.lru_cache(maxsize=8)
def _describe(
    product: Product, model: str, changed: Optional[int]
) -> Tuple[Dict[str, Any], Network]:
    weights, network = read_network(model, product.part("inference.network").NETWORKS)
    return weights.attributes, network


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


OUTSIDE = 2**31
"""In pixels, more than any image has."""


def keep_above(figure: Figure, height: float) -> None:
    """Leave the lower part of a figure to CellProfiler's table, which is no part of its layout.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    height : float
        Share of the figure that the table takes.
    """
    if hasattr(figure, "get_layout_engine"):
        figure.get_layout_engine().set(rect=(0, height, 1, 1 - height), w_pad=0.04)
    else:  # Matplotlib 3.1
        figure.set_constrained_layout(False)
        figure.subplots_adjust(0.08, height + 0.12, 0.97, 0.92, wspace=0.35, hspace=0.35)


def show_under_mouse(
    figure: Any, axes: Axes, described: Callable[[float, float], Sequence[str]]
) -> None:
    """Let the status bar of CellProfiler's figure say what is under the mouse.

    Parameters
    ----------
    figure : cellprofiler.gui.figure.Figure
    axes : matplotlib.axes.Axes
    described : callable
        From x and y in the axes to the fields of the status bar.
    """

    def on_move(event: Any) -> None:
        if event.inaxes is axes:
            fields = [f"X: {event.xdata:.0f}", f"Y: {event.ydata:.0f}"]
            fields += described(event.xdata, event.ydata)
            figure.status_bar.SetFieldsCount(len(fields))
            for place, field in enumerate(fields):
                figure.status_bar.SetStatusText(field, i=place)

    # Under a key of our own: those of subplots are bound anew whenever one is redrawn. All are
    # unbound when the figure is cleared.
    connection = figure.figure.canvas.mpl_connect("motion_notify_event", on_move)
    figure.event_bindings["mouse", id(axes)] = [connection]


def keep_inside(axes: Axes) -> None:
    """Remove the lines that CellProfiler draws out of an image, beside outlines at its border.

    It outlines the background as well, in unsigned integers: a pixel before the first one is at
    4294967295.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        With outlines.
    """
    for outlines in axes.collections:
        lines = outlines.get_segments()
        outlines.set_segments([line for line in lines if line.max() < OUTSIDE])


@contextlib.contextmanager
def shown_errors(image_name: Optional[str] = None) -> Iterator[None]:
    """Let CellProfiler show a user's mistake as one sentence; the log has what led to it.

    Parameters
    ----------
    image_name : str, optional
        The image at work, put before the sentence; by default none is at fault.

    Raises
    ------
    ValueError
        Where the block raises UserError or MemoryError.
    """
    try:
        with explain_memory_errors():
            yield
    except UserError as error:
        raise ValueError(f"{image_name}: {error}" if image_name else str(error)) from error


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
