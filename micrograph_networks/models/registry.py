"""Names and versions of the shipped models, and their files."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, List, Optional

from micrograph_networks.errors import UserError
from micrograph_networks.files.reading import read_file

MODEL_FOLDER = Path(__file__).resolve().parents[2] / "model_weights"
"""Folder of the shipped weights files, model cards and registry."""
REGISTRY = MODEL_FOLDER / "registry.json"
"""List of the shipped models, from the oldest version to the newest."""
ADVICE = "unzip the release, or install the package, again"
"""What to do when a shipped file is missing or damaged."""
FOLDER_VARIABLE = "CELLPROFILER_MODEL_DIR"
"""Environment variable that names another folder for the shipped weights files."""


LARGEST_FILE = 256 * 2**20
"""Largest allowed size of a weights file in bytes, about five times that of the largest network."""


@dataclass(frozen=True)
class ShippedModel:
    """A model that ships with the package.

    Attributes
    ----------
    name : str
        Name with the version.
    architecture : str
        Architecture of its network.
    sha256 : str
        SHA-256 of its weights file, in hexadecimal.
    license : str
        SPDX identifier of the license of the weights.
    """

    name: str
    architecture: str
    sha256: str
    license: str

    @property
    def path(self) -> Path:
        """Path of the weights file."""
        return Path(os.environ.get(FOLDER_VARIABLE) or MODEL_FOLDER) / f"{self.name}.h5"

    @property
    def card(self) -> Path:
        """Path of the model card."""
        return MODEL_FOLDER / f"{self.name}.md"


def shipped_models(architectures: Optional[Collection[str]] = None) -> List[ShippedModel]:
    """Return the shipped models, of some architectures or all, from the oldest to the newest.

    Raises
    ------
    UserError
        The registry is missing or damaged.
    """
    try:
        entries = json.loads(REGISTRY.read_text(encoding="utf-8"))
        models = [ShippedModel(name, **entry) for name, entry in entries.items()]
        return [m for m in models if architectures is None or m.architecture in architectures]
    except Exception as error:  # damaged JSON may have any structure
        raise UserError(
            f"The list of the models, {REGISTRY}, cannot be read ({error}): {ADVICE}."
        ) from error


def verified_content(model: ShippedModel) -> bytes:
    """Return the content of the weights file of a shipped model after checking its SHA-256.

    Raises
    ------
    UserError
        The file is missing or differs from the one that was shipped.
    """
    advice = ADVICE
    if os.environ.get(FOLDER_VARIABLE):
        advice = f"copy it there from the package's model_weights, or unset {FOLDER_VARIABLE}"
    try:
        content = read_file(model.path, LARGEST_FILE)
    except UserError as error:
        raise UserError(f"The weights of {model.name} are missing ({error}): {advice}.") from error
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise UserError(
            f"The weights {model.path} of {model.name} differ from their SHA-256 in "
            f"{REGISTRY.name}: {advice}."
        )
    return content


def read_card(model: ShippedModel) -> str:
    """Return the text of a model card, in Markdown.

    Raises
    ------
    UserError
        The file is missing or damaged.
    """
    try:
        return model.card.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(
            f"The model card {model.card} cannot be read ({error}): {ADVICE}."
        ) from error
