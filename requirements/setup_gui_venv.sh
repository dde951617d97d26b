#!/usr/bin/env bash
# setup_gui_venv.sh makes .venv-gui: Debian's Python 3.11 with its wxPython, CellProfiler 4 of
# requirements/gui.txt, which is compiled in part, and this project (editable).
set -euo pipefail
cd "$(dirname "$0")/.."
. requirements/venv.sh

PYTHON=/usr/bin/python3
missing=()
need() { # Debian package, command that works where it is installed
    "${@:2}" >/dev/null 2>&1 || missing+=("$1")
}
need python3-wxgtk4.0 is_python "$PYTHON" 3.11 "__import__('wx')"
need python3-dev is_python "$PYTHON" 3.11 'os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))'
need python3-venv "$PYTHON" -c "import ensurepip"
need xvfb Xvfb -help
need imagemagick import -version
[ ${#missing[@]} -eq 0 ] ||
    fail "${missing[*]} (of Debian 12, with Python 3.11)" "sudo apt-get install ${missing[*]}"
check_compilers
find_uv
VENV_OPTIONS=--system-site-packages make_venv .venv-gui requirements/gui.txt --build-constraint requirements/build-constraints.txt
