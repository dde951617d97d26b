"""The models that ship with the package, by name and version."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, List, Set

from micrograph_networks.errors import UserError

MODEL_FOLDER = Path(__file__).resolve().parents[2] / "model_weights"
"""Of the package."""
REGISTRY = MODEL_FOLDER / "registry.json"
"""By name, from the oldest version of a model to the newest: architecture, SHA-256, license."""
ADVICE = "unzip the release, or install the package, again"
"""Where a part of it is missing or damaged."""
FOLDER_VARIABLE = "CELLPROFILER_MODEL_DIR"
"""Environment variable that names another folder for the weights files of shipped models."""


@dataclass(frozen=True)
class ShippedModel:
    """A model that ships with the package.

    Attributes
    ----------
    name : str
        With its version, such as ``focus_v1``.
    architecture : str
        Of its network.
    sha256 : str
        Which the weights file must have.
    license : str
        Of the weights, as SPDX writes it.
    """

    name: str
    architecture: str
    sha256: str
    license: str

    @property
    def path(self) -> Path:
        """Of the weights file, in the folder that CELLPROFILER_MODEL_DIR names or the package's."""
        return Path(os.environ.get(FOLDER_VARIABLE) or MODEL_FOLDER) / f"{self.name}.h5"

    @property
    def card(self) -> Path:
        """Path of the model card, in the package."""
        return MODEL_FOLDER / f"{self.name}.md"


def shipped_models(architectures: Collection[str]) -> List[ShippedModel]:
    """The shipped models of some networks, from the oldest to the newest.

    Parameters
    ----------
    architectures : collection of str

    Returns
    -------
    list of ShippedModel

    Raises
    ------
    UserError
        The registry is missing or damaged.
    """
    return [model for model in _registered() if model.architecture in architectures]


def registered_digests() -> Set[str]:
    """SHA-256 of the weights files of all shipped models.

    Returns
    -------
    set of str

    Raises
    ------
    UserError
        The registry is missing or damaged.
    """
    return {model.sha256 for model in _registered()}


def _registered() -> List[ShippedModel]:
    try:
        entries = json.loads(REGISTRY.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"The list of the models, {REGISTRY}, cannot be read ({error}): {ADVICE}."
        ) from error
    return [ShippedModel(name, **entry) for name, entry in entries.items()]


def verified_path(model: ShippedModel) -> Path:
    """Path of the weights file of a shipped model, checked by its SHA-256.

    Parameters
    ----------
    model : ShippedModel

    Returns
    -------
    Path

    Raises
    ------
    UserError
        The file is missing or differs from the one that was shipped.
    """
    advice = ADVICE
    if os.environ.get(FOLDER_VARIABLE):
        advice = f"copy it there from the package's model_weights, or unset {FOLDER_VARIABLE}"
    try:
        digest = hashlib.sha256(model.path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(
            f"The weights {model.path} of {model.name} cannot be read ({error.strerror}): {advice}."
        ) from error
    if digest != model.sha256:
        raise UserError(
            f"The weights {model.path} of {model.name} differ from their SHA-256 in "
            f"{REGISTRY.name}: {advice}."
        )
    return model.path
