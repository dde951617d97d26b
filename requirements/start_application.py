"""What the application starts. As in that of the website, its exit code is always 0."""

from cellprofiler.__main__ import main

main()
