#!/usr/bin/env bash
# setup_other_venv.sh NAME makes .venv-NAME: Python 3.11, the locked requirements/NAME.txt, which
# have setuptools and come as wheels, and this project (editable).
set -euo pipefail
cd "$(dirname "$0")/.."
. requirements/venv.sh

find_uv
find_python 3.11 True
make_venv ".venv-$1" "requirements/$1.txt" --only-binary :all:
