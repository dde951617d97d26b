"""What all command lines share."""

import sys
from pathlib import Path

import click
from tqdm import tqdm

from tfcore.errors import UserError, naming

FILES = click.Path(path_type=Path)
SETTINGS = {"help_option_names": ["-h", "--help"]}


class Commands(click.Group):
    """Print a user's mistake as one sentence and exit with 2."""

    def invoke(self, context):
        """Run the command that was named."""
        try:
            return super().invoke(context)
        except UserError as error:
            raise click.UsageError(str(error)) from None


def example(text):
    """Examples at the end of a command's help, kept as they are laid out."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in text.strip().splitlines())


def unique_stems(images):
    """Refuse images whose results would have the same names.

    Parameters
    ----------
    images : iterable of Path

    Raises
    ------
    UserError
        Two of them have the same stem.
    """
    seen = {}
    for path in images:
        if path.stem in seen:
            raise UserError(
                f"{seen[path.stem]} and {path} would write the same files: "
                "give them different folders for output."
            )
        seen[path.stem] = path


def each_image(images, process):
    """Process images one after the other with a progress bar; name those that fail and go on.

    Parameters
    ----------
    images : list of Path
    process : callable
        From a path to a result; a UserError that it raises is printed with the path.

    Yields
    ------
    (Path, result)
        Of the images that did not fail.
    """
    for path in tqdm(images, unit="image", disable=None):
        try:
            with naming(path):
                result = process(path)
        except UserError as error:
            tqdm.write(f"Error: {error}", file=sys.stderr)
        else:
            yield path, result
