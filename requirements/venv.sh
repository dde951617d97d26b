# Functions of setup_venv.sh and containers/install.sh, which source it in the root of the project.

fail() { # what is missing, the command that installs it
    printf '\nMissing: %s\nInstall it with:\n    %s\nthen run make again.\n' "$1" "$2" >&2
    exit 1
}

find_uv() { # sets UV
    UV=uv
    if "$UV" --version >/dev/null 2>&1; then return; fi
    UV=.uv/bin/uv
    if "$UV" --version >/dev/null 2>&1; then return; fi
    echo "== Installing uv into .uv"
    python3 -m venv --clear .uv ||
        fail "uv, and Python's venv to install it into" "sudo apt-get install python3-venv"
    .uv/bin/python -m pip install --quiet uv==0.13.9 ||
        fail "uv (pip could not fetch it)" "python3 -m pip install uv"
}

check_compilers() { # python-javabridge has no wheel and is compiled against the JDK
    if [ -n "${JAVA_HOME:-}" ]; then
        [ -x "$JAVA_HOME/bin/javac" ] || fail "javac in JAVA_HOME ($JAVA_HOME)" "unset JAVA_HOME"
        PATH=$JAVA_HOME/bin:$PATH
    fi
    javac -version >/dev/null 2>&1 ||
        fail "a Java development kit (javac)" "sudo apt-get install default-jdk-headless"
    cc --version >/dev/null 2>&1 || fail "a C compiler (cc)" "sudo apt-get install gcc libc6-dev"
    # Unless told otherwise, take the kit that javac belongs to.
    : "${JAVA_HOME:=$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")}"
    export JAVA_HOME PATH
}

is_python() { # command, version, condition: the command runs (a pyenv shim may not), and fits
    "$1" -c "import os, sys, sysconfig
sys.exit('%d.%d' % sys.version_info[:2] != '$2' or not ($3))" 2>/dev/null
}

find_python() { # version, condition; sets PYTHON
    local pyenv_root
    pyenv_root=$(pyenv root 2>/dev/null || echo "${PYENV_ROOT:-$HOME/.pyenv}")
    for PYTHON in "python$1" "$pyenv_root/versions/$1"*/bin/python; do
        if is_python "$PYTHON" "$1" "$2"; then return; fi
    done
    echo "== Python $1 is not installed here: fetching it with uv"
    "$UV" python install "$1" ||
        fail "Python $1 (uv could not fetch it)" "pyenv install $1"
    PYTHON=$("$UV" python find --managed-python "$1")
}

make_venv() { # folder, locked requirements, options of uv
    echo "== Setting up $1 with $("$PYTHON" --version), $("$UV" --version)"
    "$UV" venv --quiet --clear --python "$PYTHON" ${VENV_OPTIONS:-} "$1"
    export VIRTUAL_ENV=$PWD/$1
    local hashes=--require-hashes
    if [ "$(uname -sm)" != "Linux x86_64" ]; then
        echo "== Without checking hashes: the files are locked for Linux on x86-64"
        hashes=--no-verify-hashes
    fi
    # Like pip: otherwise processes without write access compile all that they import each time.
    "$UV" pip sync --compile-bytecode "$hashes" "${@:3}" "$2"
    "$UV" pip install --quiet --no-deps --no-build-isolation --editable .
    echo "== $1 is ready"
}
