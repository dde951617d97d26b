"""Package metadata. The settings of tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
CHARTS_LICENSE = """/*
Vega, Vega-Lite, Vega-Embed, Vega-Tooltip, Vega-Themes
Copyright (c) 2015, University of Washington Interactive Data Lab

D3, TopoJSON (ISC License)
Copyright 2010 Mike Bostock
"""


def text(name):
    """Return the text of a file."""
    return ROOT.joinpath(name).read_text(encoding="utf-8")


class BuildWithCharts(build_py):
    """Make the chart library of the pages, unless the folder has it, and build the packages."""

    def run(self):
        """Write the JavaScript of Vega-Lite 6.1, with its license, and build the packages."""
        path = ROOT / "micrograph_networks" / "files" / "vega.js"
        if not path.exists():
            from vl_convert import javascript_bundle

            charts = javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version="6.1")
            conditions = text("LICENSE").partition("developers\n")[2]
            path.write_text(f"{CHARTS_LICENSE}{conditions}*/\n{charts}", encoding="utf-8")
        super().run()


setup(
    name="cellprofiler-focus-darkfield",
    # The version is in the package, because the plugins of a clone run without metadata. It is not
    # imported, because the requirements of the package are not installed yet.
    version=re.search(r'^__version__ = "(.+)"$', text("micrograph_networks/__init__.py"), re.M)[1],
    description=(
        "CellProfiler modules with trained networks: MeasureImageFocusQuality measures the focus "
        "of microscope images, SegmentDarkfieldCells finds blood cells and spirochaetes"
    ),
    long_description=text("README.md"),
    long_description_content_type="text/markdown",
    author="The cellprofiler-focus-darkfield developers",
    license=(
        "BSD-3-Clause (code, and focus weights trained on CC0 images) "
        "AND CC-BY-NC-4.0 (dark-field weights: not for commercial use)"
    ),
    # Addresses of the method and of the images; the project has no public address yet.
    project_urls={
        "Focus: Yang et al. 2018": "https://doi.org/10.1186/s12859-018-2087-4",
        "Focus: training images": "https://bbbc.broadinstitute.org/BBBC038",
        "Dark field: training images": (
            "https://www.kaggle.com/datasets/longnguyen2306/bacteria-detection-with-darkfield-microscopy"
        ),
    },
    python_requires=">=3.8",
    packages=[
        *find_packages(include=["focusqual*", "segment*", "micrograph_networks*"]),
        "cluster_workflow",
        "model_weights",
        "cellprofiler_focus_darkfield",
    ],
    package_dir={"cellprofiler_focus_darkfield": "plugins"},
    cmdclass={"build_py": BuildWithCharts},
    package_data={
        "focusqual.report": ["page.html", "page.js"],
        "segment.report": ["review.html", "review.js"],
        "micrograph_networks.files": ["vega.js"],
        "cluster_workflow": ["Snakefile", "config.yaml", "profiles/default/config.yaml"],
        "model_weights": ["*.csv", "*.h5", "*.md", "registry.json"],
    },
    # The ranges hold CellProfiler 4's pinned versions as well as today's.
    install_requires=[
        "click>=8.1",
        "filelock>=3.4",
        "h5py>=3.6",
        "imagecodecs>=2021.8.26",
        "matplotlib>=3.1.3",
        "numpy>=1.22",
        "pandas>=1.4",
        "pillow>=9.1",
        "psutil>=5.7",
        "python-dateutil>=2.7",
        "PyWavelets>=1.1",
        "scikit-image>=0.18.3",
        "scipy>=1.7",
        "threadpoolctl>=3.0",
        "tifffile>=2021.7.2",
        "tqdm>=4.60",
    ],
    # CellProfiler and TensorFlow are extras, so that installing the modules changes neither.
    extras_require={
        "cellprofiler": ["cellprofiler==4.2.8.1"],
        # tensorflow-cpu is for Intel and AMD only. CellProfiler 4 (Python 3.9) does not allow the
        # h5py that TensorFlow 2.16 requires.
        "cpu": [
            "tensorflow-cpu>=2.15; platform_machine in 'x86_64 AMD64'",
            "tensorflow-cpu<2.16; platform_machine in 'x86_64 AMD64' and python_version < '3.10'",
            "tensorflow>=2.15; platform_machine not in 'x86_64 AMD64'",
            "tensorflow<2.16; platform_machine not in 'x86_64 AMD64' and python_version < '3.10'",
        ],
        "gpu": ["tensorflow[and-cuda]>=2.15.1", "tensorflow<2.16; python_version < '3.10'"],
        # Newer releases of albumentations search for updates on the network when imported.
        "train": ["albumentations>=1.3.1,<1.4", "opencv-python-headless>=4.8"],
        "parquet": ["pyarrow>=10"],
        "test": [
            *("hypothesis", "pytest", "pytest-cov", "pytest-randomly", "pytest-xdist"),
            *("selenium", "zarr>=2.13"),
        ],
        "lint": ["mypy", "pre-commit", "ruff"],
        # For the export of models, with TensorFlow. bioimageio.spec does not load pydantic 2.14.
        "zoo": ["bioimageio.spec>=0.5.12,<0.6", "pydantic<2.14", "tf2onnx>=1.16"],
        # NGFF 0.5 requires Zarr 3, which requires Python 3.11.
        "zarr": ["zarr>=2.13"],
    },
    entry_points={
        "console_scripts": [
            "focusqual=focusqual.commandline.commands:main",
            "segment-darkfield=segment.commandline.commands:main",
        ]
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: BSD License",
        "License :: Free for non-commercial use",
        "Operating System :: MacOS",
        "Operating System :: Microsoft :: Windows",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.8",
        "Programming Language :: Python :: 3.9",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Bio-Informatics",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
