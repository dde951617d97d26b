import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner
from support import tiff_resolution

from focusqual.commandline.commands import main
from focusqual.inference.options import FocusOptions
from focusqual.report.tables import read_measurements
from focusqual.simulation import scenes
from micrograph_networks.images.image_files import write_tiff

PATCH = (1000 * scenes.nuclei(np.random.default_rng(0), 90, 1.0)).astype(np.uint16)


def metamorph(wavelength, z, calibration="0.325"):
    values = {
        **{f"spatial-calibration-{axis}": calibration for axis in "xy"},
        "spatial-calibration-units": "um",
        "acquisition-time-local": "20230221 10:41:57.173",
        "stage-position-x": "79813.4",
        "z-position": str(z),
        "wavelength": str(wavelength),
        "_MagNA_": "0.75",
    }
    properties = "".join(f'<prop id="{name}" value="{values[name]}"/>' for name in values)
    return f"<MetaData><PlaneInfo>{properties}</PlaneInfo></MetaData>"


def write(path, *metadata, **options):
    tifffile.imwrite(path, PATCH, description=metamorph(*metadata), metadata=None, **options)
    return path


@pytest.fixture
def images(tmp_path):
    """Two images of different channels, and one without metadata."""
    (tmp_path / "in").mkdir()
    green = write(tmp_path / "in" / "A01_w1.tif", 520, 10)
    red = write(tmp_path / "in" / "A01_w2.tif", 610, 12.5)
    write_tiff(tmp_path / "in" / "plain.tif", PATCH)
    return green, red, tmp_path / "in" / "plain.tif"


@pytest.fixture
def predict(tmp_path):
    """Function that runs predict, and returns what it prints and its table."""

    def run(*arguments, exit_code=0):
        given = ["predict", *map(str, arguments), "--engine", "numpy"]
        result = CliRunner().invoke(main, [*given, "--output", str(tmp_path / "out")])
        assert result.exit_code == exit_code, result.output
        if exit_code == 2:
            assert not (tmp_path / "out").exists()
            return result.output, None
        return result.output, pd.read_csv(tmp_path / "out" / "focus.csv", index_col="image")

    return run


OBJECTIVE = ("--rescaling", "objective")
OPTICS = ["pixel_size_um", "numerical_aperture", "wavelength_um"]
STAGE = ["stage_x_um", "stage_z_um", "time"]


def depths(table):
    return table["expected_defocus_um"] / table["expected_level"]


def test_optics_come_from_each_file(images, predict):
    said, table = predict(*images, *OBJECTIVE, exit_code=1)
    assert (
        f"Error: {images[2]}: Its metadata do not tell the pixel size, numerical aperture and "
        "wavelength: enter --pixel-size, --numerical-aperture and --wavelength.\n"
    ) in said
    assert table[OPTICS].to_numpy().tolist() == [[0.325, 0.75, 0.52], [0.325, 0.75, 0.61]]
    expected = [
        FocusOptions(
            rescaling="objective", pixel_size=0.325, numerical_aperture=0.75, wavelength=wavelength
        ).level_depth
        for wavelength in (0.52, 0.61)
    ]
    assert depths(table).tolist() == pytest.approx(expected, rel=1e-4)


def test_options_override_the_files(images, predict):
    given = ("--wavelength", 0.7, "--numerical-aperture", 0.5, "--pixel-size", 0.5)
    _, table = predict(*images, *OBJECTIVE, *given, "--refractive-index", 1.2)
    assert table[OPTICS].to_numpy().tolist() == [[0.5, 0.5, 0.7]] * 3
    assert depths(table).tolist() == pytest.approx([0.7 * 1.2 / 0.25] * 3, rel=1e-4)


def test_known_columns_are_written_without_an_objective(images, predict, tmp_path):
    _, table = predict(*images)
    assert [name for name in table if "um" in name or name == "time"] == [
        *OPTICS,
        *STAGE,
    ]
    assert table.columns[-7:].tolist() == ["folder", *OPTICS, *STAGE]
    assert table[STAGE].iloc[1].tolist() == [79813.4, 12.5, "2023-02-21T10:41:57.173"]
    assert table.iloc[2][OPTICS + STAGE].isna().all()
    read = read_measurements(tmp_path / "out" / "focus.csv")
    assert read["stage_z_um"].tolist()[:2] == [10, 12.5]


def test_missing_optics_are_named_once_before_anything_is_written(images, predict):
    other = images[2].with_name("other.tif")
    write_tiff(other, PATCH)
    said, _ = predict(images[2], other, *OBJECTIVE, "--wavelength", 0.5, exit_code=2)
    problem = f"{images[2]}: Its metadata do not tell the pixel size and numerical aperture: enter"
    assert problem in said
    assert "other" not in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--pixel-size", 0.5), "--pixel-size is used only if --rescaling is objective"),
        ((*OBJECTIVE, "--numerical-aperture", 1.2), "must be below the refractive index, 1"),
        ((*OBJECTIVE, "--numerical-aperture", 17), "17.0 is not in the range 0.01<=x<=2"),
    ],
)
def test_impossible_options_are_refused(images, predict, arguments, sentence):
    said, _ = predict(*images, *arguments, exit_code=2)
    assert sentence in said


def test_contradictions_are_reported_once(predict, tmp_path):
    resolution = tiff_resolution(1e4 / 0.65, 1e4 / 0.65, "CENTIMETER")
    for number in range(3):
        write(tmp_path / f"{number}.tif", 520, 10, **resolution)
    said, table = predict(*(tmp_path / f"{number}.tif" for number in range(3)), *OBJECTIVE)
    assert said.startswith(
        f"{tmp_path / '0.tif'} and 2 others: The pixel size is 0.65 um in the calibration of the "
        "TIFF, which takes precedence, but 0.325 um in the metadata of MetaMorph.\nMeasured 3"
    )
    assert table["pixel_size_um"].tolist() == [0.65] * 3
