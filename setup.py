"""Package metadata; the tools' settings are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="cellprofiler-tf-modules",
    version="0.1.0",
    description="CellProfiler modules that use trained TensorFlow networks, and their cores",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The focusqual developers",
    license="BSD-3-Clause",
    python_requires=">=3.9",
    packages=[
        *find_packages(include=["focusqual*", "segment*", "micrograph_networks*"]),
        "cluster_workflow",
        "model_weights",
        "cellprofiler_tf_plugins",
    ],
    package_dir={"cellprofiler_tf_plugins": "plugins"},
    package_data={
        "cluster_workflow": ["Snakefile", "config.yaml", "profiles/default/config.yaml"],
        "model_weights": ["*.csv", "*.h5", "*.md", "registry.json"],
    },
    # The ranges hold CellProfiler 4's pinned versions as well as today's.
    install_requires=[
        "click>=8.0",
        "filelock>=3.4",
        "h5py>=3.6",
        "imagecodecs>=2021.8.26",
        "matplotlib>=3.7",
        "numpy>=1.22",
        "pandas>=1.4",
        "psutil>=5.7",
        "PyWavelets>=1.1",
        "scikit-image>=0.18.3",
        "scipy>=1.7",
        "tifffile>=2021.7.2",
        "tqdm>=4.60",
    ],
    # CellProfiler and TensorFlow are the user's choice: installing the modules changes neither.
    extras_require={
        "cellprofiler": ["cellprofiler==4.2.8.1"],
        # tensorflow-cpu is for Intel and AMD only. CellProfiler 4, the one of Python 3.9, allows no
        # h5py that is new enough for TensorFlow 2.16.
        "cpu": [
            "tensorflow-cpu>=2.15; platform_machine in 'x86_64 AMD64'",
            "tensorflow-cpu<2.16; platform_machine in 'x86_64 AMD64' and python_version < '3.10'",
            "tensorflow>=2.15; platform_machine not in 'x86_64 AMD64'",
            "tensorflow<2.16; platform_machine not in 'x86_64 AMD64' and python_version < '3.10'",
        ],
        "gpu": ["tensorflow[and-cuda]>=2.15.1", "tensorflow<2.16; python_version < '3.10'"],
        # Newer releases of albumentations look for updates in the network when they are imported.
        "train": ["albumentations>=1.3.1,<1.4", "opencv-python-headless>=4.8"],
        "test": ["hypothesis", "pre-commit", "pytest", "ruff"],
    },
    entry_points={
        "console_scripts": [
            "focusqual=focusqual.commandline.commands:main",
            "segment-darkfield=segment.commandline.commands:main",
        ]
    },
    classifiers=[
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
)
