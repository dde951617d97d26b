"""What the CellProfiler modules share: the choice of a model, and mistakes as users see them.

No other file of this package imports CellProfiler.
"""

import contextlib
import gc
import os

from cellprofiler_core.constants.module import IO_FOLDER_CHOICE_HELP_TEXT
from cellprofiler_core.module import Module
from cellprofiler_core.setting import ValidationError
from cellprofiler_core.setting.choice import Choice
from cellprofiler_core.setting.text import Directory, Filename

from micrograph_networks.errors import UserError

M_SHIPPED = "Shipped model"
M_CUSTOM = "Custom model"


class NetworkModule(Module):
    """A module that runs a trained network on planes, with weights that the user chooses."""

    def create_model_settings(self, core, weights_file, shipped, custom):
        """Create the settings of the model.

        Parameters
        ----------
        core : str
            The Python package that trains such a model.
        weights_file : str
            The name that it gives to a weights file.
        shipped : str
            What the shipped weights were trained on, for the help text.
        custom : str
            What weights of one's own are trained on and when to consider them.
        """
        self.model = Choice(
            "Select the model",
            [M_SHIPPED, M_CUSTOM],
            doc=f"""\
-  *{M_SHIPPED}:* The weights that come with the module, trained on {shipped}. Nothing is
   downloaded.
-  *{M_CUSTOM}:* A weights file of your own, made by *python -m {core} train* from {custom}
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
            weights_file,
            get_directory_fn=self.weights_directory.get_absolute_path,
            set_directory_fn=self._set_weights_directory,
            exts=[("Weights file (*.h5)", "*.h5"), ("All files (*.*)", "*.*")],
            doc=f"""\
*(Used only if "{M_CUSTOM}" is selected)*

Enter the name of the weights file, an HDF5 file written by *python -m {core} train*.
""",
        )

    def model_settings(self):
        """Settings of the model in the order in which they are saved.

        Returns
        -------
        list of Setting
        """
        return [self.model, self.weights_directory, self.weights_file]

    def visible_model_settings(self):
        """Settings of the model that matter now.

        Returns
        -------
        list of Setting
        """
        return [self.model] if self.model == M_SHIPPED else self.model_settings()

    def weights(self):
        """Path of the chosen weights file.

        Returns
        -------
        str or None
            None for the shipped one.
        """
        if self.model == M_SHIPPED:
            return None
        return os.path.join(self.weights_directory.get_absolute_path(), self.weights_file.value)

    def validate_weights(self):
        """Refuse a weights file that does not exist, without reading it.

        Raises
        ------
        ValidationError
        """
        path = self.weights()
        if path is not None and not os.path.isfile(path):
            raise ValidationError(f"The weights file {path} does not exist", self.weights_file)

    def prepare_to_create_batch(self, workspace, fn_alter_path):
        """Translate the folder of the weights into that of a cluster.

        Returns
        -------
        bool
            True: all went well.
        """
        self.weights_directory.alter_for_create_batch_files(fn_alter_path)
        return True

    def volumetric(self):
        """Whether the module works on volumes.

        Returns
        -------
        bool
            False: CellProfiler refuses pipelines of volumes with a sentence of its own.
        """
        return False

    def _set_weights_directory(self, path):
        self.weights_directory.join_parts(*self.weights_directory.get_parts_from_path(path))


def input_mask(image):
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


def free_earlier_image_sets():
    """Free the images and objects of earlier image sets, at the end of a module's run.

    CellProfiler's workspace holds them by a cycle of references, which Python finds only after
    dozens of image sets, unless the user lets CellProfiler conserve memory.
    """
    gc.collect()


@contextlib.contextmanager
def shown_errors(image_name):
    """Let CellProfiler show a user's mistake as one sentence.

    CellProfiler shows the last exception: the sentence, without what led to it.

    Parameters
    ----------
    image_name : str
        The image at work, put before the sentence.

    Raises
    ------
    ValueError
        Where the block raises UserError.
    """
    try:
        yield
    except UserError as error:
        raise ValueError(f"{image_name}: {error}") from None


def refuse_repeats(settings):
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
