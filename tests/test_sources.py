"""Everything that the modules run in CellProfiler exists on every system."""

import ast

import pytest
from sources import ROOT, import_statements, imported, module_sources

POSIX_MODULES = {"crypt", "fcntl", "grp", "posix", "pwd", "resource", "termios", "tty"}
POSIX_CALLS = {
    *("chown", "fork", "getloadavg", "geteuid", "getuid", "kill", "killpg", "mkfifo", "nice"),
    *("sched_getaffinity", "setsid", "symlink", "symlink_to", "sysconf", "uname", "waitpid"),
}
"""Functions of os and pathlib. On Windows some of them differ or need special rights."""


def sources():
    for path, tree in sorted(module_sources().items()):
        yield pytest.param(tree, id=path.relative_to(ROOT).as_posix())


@pytest.mark.parametrize("tree", sources())
def test_no_call_needs_posix(tree):
    modules = {name.split(".")[0] for s in import_statements(tree) for name in imported(s)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert modules & POSIX_MODULES == attributes & POSIX_CALLS == set()


@pytest.mark.parametrize("tree", sources())
def test_text_files_are_utf_8_on_every_system(tree):
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    opened = [call for call in calls if called(call) in ("read_text", "write_text", "open")]
    assert [ast.dump(call) for call in opened if not tells_encoding(call)] == []


def called(call):
    return getattr(call.func, "attr", getattr(call.func, "id", None))


def tells_encoding(call):
    binary = any(isinstance(a, ast.Constant) and "b" in str(a.value) for a in call.args)
    named = [keyword.value for keyword in call.keywords if keyword.arg == "encoding"]
    given = call.args[:1] if called(call) == "read_text" else []
    return binary or any(
        getattr(value, "value", None) in ("utf-8", "utf-8-sig") for value in named + given
    )
