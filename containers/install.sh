#!/usr/bin/env bash
# Steps of Dockerfile and cellprofiler.def, as root in a Debian with Python 3.9. They make .venv in the
# folder of this project, with CellProfiler and the packages that our modules need, in the versions of
# requirements/stable.txt, and remove what only the build needs.
set -euo pipefail
cd "$(dirname "$0")/.."
. requirements/venv.sh

export DEBIAN_FRONTEND=noninteractive
# Nextflow measures its processes with ps, which procps contains.
needed=(python3 default-jre-headless libmariadb3 procps)
for_building=(python3-dev python3-venv gcc libc6-dev default-jdk-headless default-libmysqlclient-dev)
apt-get update
apt-get install -y --no-install-recommends "${needed[@]}"
apt-mark manual "${needed[@]}"
apt-get install -y --no-install-recommends "${for_building[@]}"

check_compilers
find_uv
find_python 3.9 True

# Select from the locked packages those that CellProfiler, the modules and setup.py need, without
# TensorFlow and the packages for tests and training.
UV_CACHE_DIR=$(mktemp -d)
export UV_CACHE_DIR
requirements=$UV_CACHE_DIR/requirements.txt
"$UV" pip compile --quiet --no-header --no-annotate --python "$PYTHON" \
    setup.py - --extra cellprofiler --constraint requirements/stable.txt \
    --override requirements/overrides.txt --build-constraint requirements/build-constraints.txt \
    <<<$'setuptools\nvl-convert-python' |
    awk 'NR == FNR { needed[$1]; next } /^[^ #]/ { taken = $1 in needed } taken' - \
        requirements/stable.txt >"$requirements"
make_venv .venv "$requirements" requirements/databases.txt \
    --build-constraint requirements/build-constraints.txt

rm -rf .uv "$UV_CACHE_DIR"
apt-get purge -y --autoremove "${for_building[@]}"
apt-get clean
rm -rf /var/lib/apt/lists/*
