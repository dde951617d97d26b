"""Fixtures of all tests."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

KERAS = find_spec("keras") is not None
ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

if find_spec("hypothesis") is not None:
    from hypothesis import HealthCheck, settings

    # Other processes may need the CPUs, so time says nothing about a test.
    settings.register_profile(
        "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("untimed")


def pytest_ignore_collect(collection_path):
    """Skip training tests without Keras, as in the CellProfiler application."""
    return True if not KERAS and "training" in collection_path.parts else None


@pytest.fixture(scope="session")
def data_folder():
    """Folder of real images and pretrained weights, which are not in the repository."""
    folder = Path(os.environ.get("FOCUSQUAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; FOCUSQUAL_DATA names another folder")
    return folder


@pytest.fixture(scope="session")
def fly_images():
    """Real images that the cellprofiler package contains, by file name."""
    from micrograph_networks.images.image_files import read_image

    package = find_spec("cellprofiler")
    if package is None:
        pytest.skip("cellprofiler, which contains the images, is not installed")
    folder = Path(package.origin).parent / "data" / "examples" / "ExampleFly" / "images"
    return {path.name: read_image(path) for path in sorted(folder.glob("*.TIF"))}


@pytest.fixture
def browser(tmp_path):
    """Chromium without a network, which saves files to ``tmp_path``."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium or chromedriver is not installed (Debian's chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"),
        *("--window-size=1100,1600", "--host-resolver-rules=MAP * ~NOTFOUND"),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path)})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def out_of_memory():
    """Function that raises the error of an engine without enough memory."""
    from micrograph_networks.engines import OutOfMemory

    def fail():
        raise OutOfMemory("OOM when allocating tensor")

    return fail
