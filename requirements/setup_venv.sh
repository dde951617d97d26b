#!/usr/bin/env bash
# Makes .venv: Python 3.9, the locked requirements and this project (editable).
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { # what is missing, then the command that puts it right
    printf '\nMissing: %s\nPut that right with:\n    %s\nthen run make again.\n' "$1" "$2" >&2
    exit 1
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

is_python39() { # runs (a pyenv shim may not), and has the headers to compile with
    "$1" - 2>/dev/null <<'EOF'
import os, sys, sysconfig
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(sys.version_info[:2] != (3, 9) or not os.path.exists(header))
EOF
}

find_python() { # sets PYTHON
    local pyenv_root
    pyenv_root=$(pyenv root 2>/dev/null || echo "${PYENV_ROOT:-$HOME/.pyenv}")
    for PYTHON in python3.9 "$pyenv_root"/versions/3.9*/bin/python; do
        if is_python39 "$PYTHON"; then return; fi
    done
    echo "== Python 3.9 is not installed here: fetching it with uv"
    "$UV" python install 3.9 ||
        fail "Python 3.9 (uv could not fetch it)" "pyenv install 3.9"
    PYTHON=$("$UV" python find --managed-python 3.9)
}

check_compilers
find_uv
find_python
echo "== Setting up .venv with $("$PYTHON" --version), $("$UV" --version), Java in $JAVA_HOME"
"$UV" venv --quiet --clear --python "$PYTHON" .venv
export VIRTUAL_ENV=$PWD/.venv
"$UV" pip sync --require-hashes --build-constraint requirements/build-constraints.txt \
    requirements/stable.txt
"$UV" pip install --quiet --no-deps --no-build-isolation --editable .
echo "== .venv is ready"
