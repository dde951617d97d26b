#!/usr/bin/env bash
# What Dockerfile and cellprofiler.def do, as root in a Debian that has Python 3.9: in the folder of this
# project, .venv with CellProfiler and what our modules need, in the versions of requirements/stable.txt.
# What only the building takes is removed again.
set -euo pipefail
cd "$(dirname "$0")/.."
. requirements/venv.sh

export DEBIAN_FRONTEND=noninteractive
# procps: Nextflow measures its processes by ps.
needed=(python3 default-jre-headless libmariadb3 procps)
for_building=(python3-dev python3-venv gcc libc6-dev default-jdk-headless default-libmysqlclient-dev)
apt-get update
apt-get install -y --no-install-recommends "${needed[@]}"
apt-mark manual "${needed[@]}"
apt-get install -y --no-install-recommends "${for_building[@]}"

check_compilers
find_uv
find_python 3.9 True

# Of all that is locked, what CellProfiler and the modules need to run: neither TensorFlow nor what
# tests, trainings and reports take.
UV_CACHE_DIR=$(mktemp -d)
export UV_CACHE_DIR
requirements=$UV_CACHE_DIR/requirements.txt
"$UV" pip compile --quiet --no-header --no-annotate --python "$PYTHON" \
    setup.py - --extra cellprofiler --constraint requirements/stable.txt \
    --override requirements/overrides.txt --build-constraint requirements/build-constraints.txt \
    <<<setuptools |
    awk 'NR == FNR { needed[$1]; next } /^[^ #]/ { taken = $1 in needed } taken' - \
        requirements/stable.txt >"$requirements"
make_venv .venv "$requirements" requirements/databases.txt \
    --build-constraint requirements/build-constraints.txt

rm -rf .uv "$UV_CACHE_DIR"
apt-get purge -y --autoremove "${for_building[@]}"
apt-get clean
rm -rf /var/lib/apt/lists/*
