"""Options of a measurement that take the optics of each image from its file."""

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterator, List, Sequence

from focusqual.inference.options import ATTRIBUTES, OBJECTIVE, RESCALING, FocusOptions
from focusqual.optics import REQUIRED_OPTICS
from micrograph_networks.commandline.images import InputImage
from micrograph_networks.errors import UserError, add_path_to_errors
from micrograph_networks.images.acquisition import OPTICS, Acquisition


@dataclass(frozen=True)
class ImageOptions:
    """Options that may differ between images. Files provide the optics that the user does not give.

    Attributes
    ----------
    given : dict of str to object
        Options of :class:`FocusOptions` that the user gave.

    Raises
    ------
    UserError
        The optics are given but not used.
    """

    given: Dict[str, Any]

    def __post_init__(self) -> None:
        """Raise UserError before any image is read."""
        if not self.is_objective:
            FocusOptions(**self.given)

    @property
    def is_objective(self) -> bool:
        """Images are rescaled to the resolution of the standard objective."""
        return self.given.get(RESCALING) == OBJECTIVE

    def acquisition(self, image: InputImage) -> Acquisition:
        """Return what the user gave, and otherwise what the file of an image says."""
        given = {ATTRIBUTES[name]: self.given[name] for name in ATTRIBUTES if name in self.given}
        return replace(image.plane.acquisition, **given)

    def for_image(self, image: InputImage) -> FocusOptions:
        """Return the options of an image.

        Raises
        ------
        UserError
            Some of the optics are neither given nor in the file, or they are impossible.
        """
        if not self.is_objective:
            return FocusOptions(**self.given)
        known = self.acquisition(image)
        optics = {name: getattr(known, attribute) for name, attribute in ATTRIBUTES.items()}
        optics = {name: value for name, value in optics.items() if value is not None}
        missing = [name for name in REQUIRED_OPTICS if name not in optics]
        if missing:
            labels = _listed([OPTICS[ATTRIBUTES[name]][0] for name in missing])
            flags = _listed([f"--{name.replace('_', '-')}" for name in missing])
            raise UserError(f"Its metadata do not tell the {labels}: enter {flags}.")
        return FocusOptions(**{**self.given, **optics})

    def check(self, images: Sequence[InputImage]) -> None:
        """Raise UserError if no image has the optics that are needed."""
        problem = None
        for image in images:
            try:
                with add_path_to_errors(image):
                    self.for_image(image)
                return
            except UserError as error:
                problem = problem or error
        if problem:
            raise problem

    def notes(self, images: Sequence[InputImage]) -> Iterator[str]:
        """Yield a sentence for each contradiction in the metadata of images."""
        found: Dict[str, List[InputImage]] = defaultdict(list)
        for image in images:
            for note in image.plane.acquisition.notes:
                found[note].append(image)
        for note, named in found.items():
            yield f"{named[0]}{f' and {len(named) - 1} others' if named[1:] else ''}: {note}"


def _listed(words: Sequence[str]) -> str:
    """Return words as in "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
