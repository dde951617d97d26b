"""The processor, which every benchmark names in its first line: figures depend on it."""

import platform
import re
from pathlib import Path

import psutil

CPUINFO = Path("/proc/cpuinfo")
VECTORS = {"AVX2": "avx2", "AVX-512": "avx512f", "AMX": "amx_tile"}
"""Instructions that make networks fast, and Linux's flags for them."""


def processor():
    """Name of the processor, number of its CPUs, and its vector instructions where Linux tells.

    Returns
    -------
    str
    """
    name, vectors = platform.processor() or platform.machine(), []
    if CPUINFO.exists():
        known = dict(re.findall(r"^(\S[^\t:]*)\s*: (.*)$", CPUINFO.read_text(), re.MULTILINE))
        name, flags = known.get("model name", name), known.get("flags", "").split()
        vectors = [vector for vector, flag in VECTORS.items() if flag in flags]
    return ", ".join([name, f"{psutil.cpu_count()} CPUs", *vectors])
