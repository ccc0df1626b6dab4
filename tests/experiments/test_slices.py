"""Experiments are vertical slices: they know each other by the public names of their packages."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

from minires import experiments

ROOT = Path(experiments.__file__).parent
SLICES = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))


def imports_between_slices(source, own):
    """(module, names) of the imports from other slices than the `own` one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 2 and node.module:
            other = node.module.split(".")[0]
            if other in SLICES and other != own:
                yield node.module, [alias.name for alias in node.names]


def test_imports_are_found():
    source = "from ..degradation import Config\ndef f():\n    from ..degradation.run import x\n"
    assert list(imports_between_slices(source, "landscape")) == [
        ("degradation", ["Config"]),
        ("degradation.run", ["x"]),
    ]
    assert list(imports_between_slices(source, "degradation")) == []


@pytest.mark.parametrize("name", SLICES)
def test_a_slice_imports_public_names_of_other_slices_alone(name):
    for file in (ROOT / name).glob("*.py"):
        for module, names in imports_between_slices(file.read_text(encoding="utf-8"), name):
            assert module in SLICES, f"{file.name} imports from inside of {module}"
            package = vars(importlib.import_module(f"minires.experiments.{module}"))
            public = {key for key, value in package.items() if not inspect.ismodule(value)}
            assert set(names) <= public, f"{file.name} imports {names} of {module}"


def test_the_slices_are_those_of_the_design_and_each_has_its_parts():
    assert SLICES == ["degradation", "gradient_flow", "landscape"]
    for name in SLICES:
        parts = {path.stem for path in (ROOT / name).glob("*.py")}
        assert parts >= {"config", "run", "report"}
        assert any(part.endswith("figure") for part in parts)
