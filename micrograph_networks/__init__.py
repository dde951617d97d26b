"""Trained networks on micrographs: what the cores of all our modules share."""

__version__ = "0.2.0"
