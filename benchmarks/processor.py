"""The processor, which every benchmark names in its first line: figures depend on it."""

import os
import platform
import re
from pathlib import Path

import psutil

CPUINFO = Path("/proc/cpuinfo")
VECTORS = {"AVX2": "avx2", "AVX-512": "avx512f", "AMX": "amx_tile"}
"""Instructions that make networks fast, and Linux's flags for them."""
LIMITS = ("ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE")
"""Environment variables that keep TensorFlow and NumPy to fewer instructions."""


def processor():
    """Name of the processor, number of its CPUs, its vector instructions where Linux tells, LIMITS.

    Returns
    -------
    str
    """
    name, vectors = platform.processor() or platform.machine(), []
    if CPUINFO.exists():
        known = dict(re.findall(r"^(\S[^\t:]*)\s*: (.*)$", CPUINFO.read_text(), re.MULTILINE))
        name, flags = known.get("model name", name), known.get("flags", "").split()
        vectors = [vector for vector, flag in VECTORS.items() if flag in flags]
    limits = [f"{limit}={os.environ[limit]}" for limit in LIMITS if limit in os.environ]
    return ", ".join([name, f"{psutil.cpu_count()} CPUs", *vectors, *limits])
