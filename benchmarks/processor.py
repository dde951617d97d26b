"""Description of the processor, which every benchmark prints because its results depend on it."""

import os
import platform
import re
from pathlib import Path

import psutil

CPUINFO = Path("/proc/cpuinfo")
VECTORS = {"AVX2": "avx2", "AVX-512": "avx512f", "AMX": "amx_tile"}
"""Vector instructions, and the names of their flags in Linux."""
LIMITS = ("ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE")
"""Environment variables that restrict the instructions of TensorFlow and NumPy."""


def processor():
    """Return the processor's name, number of CPUs, vector instructions (on Linux) and LIMITS."""
    name, vectors = platform.processor() or platform.machine(), []
    if CPUINFO.exists():
        known = dict(re.findall(r"^(\S[^\t:]*)\s*: (.*)$", CPUINFO.read_text(), re.MULTILINE))
        name, flags = known.get("model name", name), known.get("flags", "").split()
        vectors = [vector for vector, flag in VECTORS.items() if flag in flags]
    limits = [f"{limit}={os.environ[limit]}" for limit in LIMITS if limit in os.environ]
    return ", ".join([name, f"{psutil.cpu_count()} CPUs", *vectors, *limits])
