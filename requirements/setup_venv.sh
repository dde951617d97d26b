#!/usr/bin/env bash
# setup_venv.sh FOLDER NAME VERSION makes FOLDER: that Python, the locked requirements/NAME.txt, which
# hold CellProfiler 4 and so are compiled in part, and this project (editable).
set -euo pipefail
cd "$(dirname "$0")/.."
. requirements/venv.sh

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

check_compilers
find_uv
find_python "$3" 'os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))'
echo "== Compiling with Java in $JAVA_HOME"
make_venv "$1" "requirements/$2.txt" --build-constraint requirements/build-constraints.txt
