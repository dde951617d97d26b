#!/usr/bin/env bash
# setup_newest_venv.sh makes .venv-newest, anew each time: Python 3.13, this project (editable), and
# the newest release of every package that it takes, with TensorFlow if there is one for them.
set -euo pipefail
cd "$(dirname "$0")/.."
. requirements/venv.sh

find_uv
find_python 3.13 True
echo "== Setting up .venv-newest with $("$PYTHON" --version), $("$UV" --version)"
"$UV" venv --quiet --clear --python "$PYTHON" .venv-newest
export VIRTUAL_ENV=$PWD/.venv-newest
install() { "$UV" pip install --quiet --upgrade --refresh --compile-bytecode --editable "$1"; }
install ".[cpu,train,test]" || install ".[test]"
"$UV" pip list | grep -iE '^(h5py|keras|matplotlib|numpy|pandas|scikit-image|scipy|tensorflow)'
