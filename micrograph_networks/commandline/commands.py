"""What all command lines share."""

import shlex
import sys
from pathlib import Path
from typing import Any, Callable, Collection, Dict, Iterable, Iterator, Sequence, Tuple, TypeVar

import click
from tqdm import tqdm

from micrograph_networks import __version__
from micrograph_networks.errors import UserError, enough_memory, naming
from micrograph_networks.files.writing import only_run, output_folder
from micrograph_networks.models.registry import ShippedModel, shipped_models, verified_path

FILES = click.Path(path_type=Path)
"""The type of arguments that name files."""
SETTINGS = {"help_option_names": ["-h", "--help"]}
"""Of all commands."""
Result = TypeVar("Result")


class Commands(click.Group):
    """Print a user's mistake as one sentence and exit with 2."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(context)
        except UserError as error:
            raise click.UsageError(str(error)) from None


def example(text: str) -> str:
    """Examples at the end of a command's help, kept as they are laid out."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in text.strip().splitlines())


def unique_stems(images: Iterable[Path]) -> None:
    """Refuse images whose results would have the same names.

    Parameters
    ----------
    images : iterable of Path

    Raises
    ------
    UserError
        Two of them have the same stem.
    """
    seen: Dict[str, Path] = {}
    for path in images:
        # Some systems do not tell capitals apart in names of files.
        stem = path.stem.casefold()
        if stem in seen:
            raise UserError(
                f"{seen[stem]} and {path} would write the same files: "
                "give them different folders for output."
            )
        seen[stem] = path


def run_folder(path: Path) -> Path:
    """Make the folder of a training, and keep it to the command at work until that ends.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Path

    Raises
    ------
    UserError
        It cannot be made, or another training runs in it.
    """
    folder = output_folder(path)
    click.get_current_context().with_resource(only_run(folder))
    return folder


def each_image(
    images: Sequence[Path], process: Callable[[Path], Result]
) -> Iterator[Tuple[Path, Result]]:
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
            with naming(path), enough_memory():
                result = process(path)
        except UserError as error:
            tqdm.write(f"Error: {error}", file=sys.stderr)
        else:
            yield path, result


version_option = click.version_option(__version__)
images_argument = click.argument("images", nargs=-1, required=True, type=FILES)
model_option = click.option(
    "--model",
    "--weights",
    "model",
    help="Name of a shipped model, or a weights file of your own.",
    show_default="the newest shipped one",
)
licence_option = click.option(
    "--licence", default="", help="Of the images, to be kept in the weights file."
)


def output_option(holds: str) -> Callable[[Callable], Callable]:
    """Decorate a command with the folder that it writes to.

    Parameters
    ----------
    holds : str
        What is written, for the help.

    Returns
    -------
    callable
    """
    return click.option("--output", required=True, type=FILES, help=f"Folder for {holds}.")


def end_with(done: int, files: Sequence[Path]) -> None:
    """End a command with 1 if not all files were done.

    Parameters
    ----------
    done : int
    files : sequence of Path
        Those that were given.
    """
    if done < len(files):
        raise click.exceptions.Exit(1)


def about_training(program: str, data: Any, licence: str) -> Dict[str, Any]:
    """What a weights file keeps of the run that made it.

    Parameters
    ----------
    program : str
        Name of the command line, whose arguments are kept.
    data : object
        JSON value: name of the training data.
    licence : str
        Of the data.

    Returns
    -------
    dict of str to object
    """
    return {
        "training_data": data,
        "training_data_licence": licence,
        "training_command": " ".join(map(shlex.quote, [program, *sys.argv[1:]])),
    }


def models_command(program: str, architectures: Collection[str]) -> click.Command:
    """A command that lists and verifies the models that ship with a package.

    Parameters
    ----------
    program : str
        Name of the command line, for the examples.
    architectures : collection of str
        Of the networks that it runs.

    Returns
    -------
    click.Command
    """

    @click.command(
        epilog=example(
            f"{program} models\nCELLPROFILER_MODEL_DIR=/data/model_weights {program} models"
        )
    )
    def models() -> None:
        """List the shipped models, the newest last, and verify their weights files.

        These are those of the installed package or, where CELLPROFILER_MODEL_DIR is set, of the
        folder that it names. The exit code is 1 if a file is missing or differs.
        """
        sound = [_describe(model) for model in shipped_models(architectures)]
        if not all(sound):
            raise click.exceptions.Exit(1)

    return models


def _describe(model: ShippedModel) -> bool:
    """Print what is known of a shipped model; False where its file is not in order."""
    click.echo(f"{model.name}\n  file     {model.path}\n  SHA-256  {model.sha256}")
    click.echo(f"  card     {model.card}\n  licence  {model.licence}")
    try:
        size = verified_path(model).stat().st_size
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        return False
    click.echo(f"  size     {size} bytes\n  The file is there and has this SHA-256.")
    return True
