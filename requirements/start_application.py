"""Start CellProfiler. As in the application from the website, the exit code is always 0."""

from cellprofiler.__main__ import main

main()
