#!/usr/bin/env bash
# setup_venv.sh NAME makes .venv-NAME (stable: .venv) from the locked requirements/NAME.txt, with
# this project (editable). NAME is stable, stock, next, tools, gui or newest.
set -euo pipefail
cd "$(dirname "$0")/.."
. requirements/venv.sh

HEADERS='os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))'

prepare_compilation() { # Python version; CellProfiler 4 is compiled in part
    check_compilers
    find_uv
    find_python "$1" "$HEADERS"
    echo "== Compiling with Java in $JAVA_HOME"
    options=(--build-constraint requirements/build-constraints.txt)
    if mysql_config --version >/dev/null 2>&1; then
        options+=(requirements/databases.txt)
    else
        echo "== CellProfiler's ExportToDatabase needs MySQL's client library, even for SQLite:" \
            "sudo apt-get install default-libmysqlclient-dev"
    fi
}

prepare_gui() { # Debian's Python has a wxPython, which is not on PyPI for Linux
    PYTHON=/usr/bin/python3
    local missing=()
    is_python "$PYTHON" 3.11 "__import__('wx')" || missing+=(python3-wxgtk4.0)
    is_python "$PYTHON" 3.11 "$HEADERS" || missing+=(python3-dev)
    "$PYTHON" -c "import ensurepip" 2>/dev/null || missing+=(python3-venv)
    Xvfb -help >/dev/null 2>&1 || missing+=(xvfb)
    import -version >/dev/null 2>&1 || missing+=(imagemagick)
    [ ${#missing[@]} -eq 0 ] ||
        fail "${missing[*]} (of Debian 12, with Python 3.11)" "sudo apt-get install ${missing[*]}"
    check_compilers
    find_uv
    options=(--build-constraint requirements/build-constraints.txt)
    VENV_OPTIONS=--system-site-packages
}

install_newest() { # not locked: the newest release of every package
    "$UV" venv --quiet --clear --python "$PYTHON" .venv-newest
    export VIRTUAL_ENV=$PWD/.venv-newest
    local install=("$UV" pip install --quiet --upgrade --refresh --compile-bytecode --editable)
    "${install[@]}" ".[cpu,train,test]" || "${install[@]}" ".[test]" # TensorFlow may come later
    "$UV" pip list
}

case $1 in
stable)
    prepare_compilation 3.9
    make_venv .venv requirements/stable.txt "${options[@]}"
    ;;
stock)
    prepare_compilation 3.8
    make_venv .venv-stock requirements/stock.txt "${options[@]}"
    ;;
gui)
    prepare_gui
    make_venv .venv-gui requirements/gui.txt "${options[@]}"
    ;;
newest)
    find_uv
    find_python 3.13 True
    install_newest
    ;;
*)
    find_uv
    find_python 3.11 True
    # connection-pool, which Snakemake needs, has no wheel.
    make_venv ".venv-$1" "requirements/$1.txt" --only-binary :all: --no-binary connection-pool
    ;;
esac
