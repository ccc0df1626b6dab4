"""Rules of the structure: what imports what, and what every operation must have."""

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

# A module imports from its own package and from those before it.
PACKAGES = (
    *("text", "errors", "arguments", "pytorch"),
    "deprecated",  # its table holds strings, resolved when an old name is used
    *("files", "pages", "modes", "backend", "ops", "kernels", "autograd", "functional", "optim"),
    *("nn", "models", "inspect", "weights", "data", "train", "runs", "parallel", "viz"),
    *("experiments", "vision", "lab", "cli"),
)

# Functions of more than 50 lines: a loop in which a call for each operation would cost.
LONG = {"autograd.backward.walk"}


FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(file):
    """The dotted name of a module's file, without `minires`."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(file):
    """The modules a file imports, wherever in it, as absolute dotted names."""
    folders = ["minires", *file.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(folders[: len(folders) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            # `from .. import ops` names a module after the word import.
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from (a.value for a in node.args if isinstance(a, ast.Constant))


def package_of(name):
    return name.removeprefix("minires.").split(".")[0]


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_point_only_up(file):
    package = package_of(name_of(file))
    if package in ("", "__main__"):
        return  # the package itself re-exports from all others
    assert package in PACKAGES, f"{file} is in no package of the design"
    for name in imports_of(file):
        imported = package_of(name)
        if not name.startswith("minires") or imported in ("minires", "__version__"):
            continue
        assert imported in PACKAGES, f"{name_of(file)} imports {name}"
        order = PACKAGES.index(imported), PACKAGES.index(package)
        assert order[0] <= order[1], f"{name_of(file)} imports {name}"


def module_graph():
    """For each module of minires, the modules that it imports, type checking included."""
    modules = {f"minires.{name_of(file)}".rstrip(".") for file in FILES}
    return {
        f"minires.{name_of(file)}".rstrip("."): {
            next(m for m in (name, name.rpartition(".")[0], "minires") if m in modules)
            for name in imports_of(file)
            if name.startswith("minires")
        }
        for file in FILES
    }


def test_no_module_imports_itself_by_way_of_others():
    """A package's __init__ imports what is in it: cycles are looked for among the other files."""
    packages = {
        f"minires.{name_of(file)}".rstrip(".") for file in FILES if file.name == "__init__.py"
    }
    graph = {m: deps - packages - {m} for m, deps in module_graph().items() if m not in packages}
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path, module])
        if module in done:
            return
        path.append(module)
        for other in sorted(graph[module]):
            visit(other)
        path.pop()
        done.add(module)

    for module in sorted(graph):
        visit(module)
    assert len(done) == len(graph) > 100


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readmes_table_has_the_packages_in_this_order(name):
    text = (ROOT.parent / name).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    assert tuple(re.findall(r"\[(\w+)(?:/|\.py)\]\(minires/", "".join(rows))) == PACKAGES


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_file_and_its_functions_can_be_read_at_once(file):
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, FUNCTIONS)]
    long = {f"{name_of(file)}.{f.name}" for f in functions if f.end_lineno - f.lineno >= 50}
    assert long <= LONG


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_only_these_packages_import_these_libraries(file):
    package = package_of(name_of(file))
    packages = {name.split(".")[0] for name in imports_of(file)}
    assert not packages & {"torch", "pickle", "marshal", "shelve"}
    assert "cupy" not in packages or package in ("backend", "kernels")
    assert not packages & {"matplotlib"} or package in ("viz", "experiments", "vision")
    assert "typer" not in packages or package == "cli"
    assert "rich" not in packages or package in ("cli", "viz")


def test_the_walk_sees_every_kind_of_import(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "ops").mkdir()
    file = tmp_path / "ops" / "x.py"
    file.write_text(
        "import torch.nn\nfrom ..nn.layers import Conv2d\nfrom .. import cli\n"
        "from .conv import Conv2d\ndef f():\n    import cupy\n    importlib.import_module('a')\n"
        "if TYPE_CHECKING:\n    import typer\n"
    )
    assert sorted(imports_of(file)) == sorted(
        [
            *("torch.nn", "minires.nn.layers.Conv2d", "minires.cli", "minires.ops.conv.Conv2d"),
            *("typer", "cupy", "a"),
        ]
    )
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
        "heavy |= {'minires.kernels.cuda'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
