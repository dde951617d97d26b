#!/usr/bin/env bash
# setup_venv.sh FOLDER NAME VERSION makes FOLDER: that Python, the locked requirements/NAME.txt, which
# hold CellProfiler 4 and so are compiled in part, and this project (editable).
set -euo pipefail
cd "$(dirname "$0")/.."
. requirements/venv.sh

check_compilers
find_uv
find_python "$3" 'os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))'
echo "== Compiling with Java in $JAVA_HOME"
options=(--build-constraint requirements/build-constraints.txt)
if mysql_config --version >/dev/null 2>&1; then
    options+=(requirements/databases.txt)
else
    echo "== Without MySQL's client library (sudo apt-get install default-libmysqlclient-dev)" \
        "CellProfiler's ExportToDatabase fails there, even for SQLite; all else works"
fi
make_venv "$1" "requirements/$2.txt" "${options[@]}"
