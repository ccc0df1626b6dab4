"""The rules of the house: who imports whom, and what every operation must have."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minires
from minires import Op, ops
from minires.inspect.gradchecks import cases

ROOT = Path(minires.__file__).parent
FILES = sorted(p for p in ROOT.rglob("*.py"))

# From the ground up: a module imports from its own room and from rooms before it.
ROOMS = (
    "errors",
    "deprecated",  # its table holds strings, which are looked up when an old name is used
    *("files", "backend", "modes", "autograd", "ops", "functional", "optim", "nn"),
    *("models", "inspect", "weights", "data", "train", "runs", "viz", "experiments", "vision"),
    "cli",
)
# Speed knows the textbook, which does not know it: it registers itself.
ANYWHERE = {"kernels"}


def name_of(file):
    """The dotted name of a module's file, without `minires`."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def run_time_nodes(node):
    """All of a syntax tree but what only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from run_time_nodes(child)


def imports_of(file):
    """The modules a file imports, wherever in it, as absolute dotted names."""
    package = ["minires", *file.relative_to(ROOT).parts[:-1]]
    for node in run_time_nodes(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            # `from .. import ops` names a module after the word import.
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from (a.value for a in node.args if isinstance(a, ast.Constant))


def room_of(name):
    return name.removeprefix("minires.").split(".")[0]


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_point_only_up(file):
    room = room_of(name_of(file))
    if room in ("", "__main__"):
        return  # the package itself re-exports from every room
    assert room in ROOMS or room in ANYWHERE, f"{file} is in no room of the design"
    for name in imports_of(file):
        if not name.startswith("minires"):
            continue
        imported = room_of(name)
        if imported in ("minires", "__version__") or room in ANYWHERE:
            continue
        assert imported in ROOMS, f"{name_of(file)} imports {name}"
        assert ROOMS.index(imported) <= ROOMS.index(room), f"{name_of(file)} imports {name}"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_who_may_import_what(file):
    room = room_of(name_of(file))
    packages = {name.split(".")[0] for name in imports_of(file)}
    assert not packages & {"torch", "pickle", "marshal", "shelve"}
    assert "cupy" not in packages or room in ("backend", "kernels")
    assert not packages & {"matplotlib"} or room in ("viz", "experiments", "vision")
    assert not packages & {"typer", "rich"} or room in (
        "cli",
        "train",
        "experiments",
        "viz",
        "runs",
        "vision",
    )


def test_the_walk_sees_every_kind_of_import(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "ops").mkdir()
    file = tmp_path / "ops" / "x.py"
    file.write_text(
        "import torch.nn\nfrom ..nn.layers import Conv2d\nfrom .. import cli\n"
        "from .conv import Conv2d\ndef f():\n    import cupy\n    importlib.import_module('a')\n"
        "if TYPE_CHECKING:\n    import typer\n"
    )
    assert list(imports_of(file)) == [
        *("torch.nn", "minires.nn.layers.Conv2d", "minires.cli", "minires.ops.conv.Conv2d"),
        *("cupy", "a"),
    ]
    assert name_of(file) == "ops.x"


def operations():
    """Every class of minires.ops with a forward and a backward."""

    def complete(cls):
        return issubclass(cls, Op) and all(
            getattr(cls, name) is not getattr(Op, name) for name in ("forward", "backward")
        )

    return {
        cls
        for module in pkgutil.iter_modules(ops.__path__, "minires.ops.")
        for _, cls in inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        if complete(cls)
    }


def test_every_operation_is_listed_and_checked():
    assert operations() == set(ops.ALL)
    assert len(set(ops.ALL)) == len(ops.ALL)
    assert {case.op for case in cases()} == set(ops.ALL)


@pytest.mark.parametrize("op", ops.ALL, ids=lambda op: op.__name__)
def test_every_operation_says_what_it_does(op):
    """The formula, both ways, and what is saved."""
    assert re.match(r"y\S* = ", op.__doc__)
    assert re.search(r"\bg\w+ = ", op.__doc__)
    assert "Saves" in op.__doc__


def test_cases_have_names_of_their_own():
    names = [(case.op, case.label) for case in cases()]
    assert len(set(names)) == len(names)


def test_importing_minires_loads_nothing_heavy():
    code = (
        "import sys, minires\n"
        "heavy = {'matplotlib', 'typer', 'rich', 'torch', 'cupy', 'pooch'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there():
    for package in (minires, minires.nn, minires.models):
        assert all(hasattr(package, name) for name in package.__all__)
