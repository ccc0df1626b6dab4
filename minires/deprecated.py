"""Old public names of modules, functions and parameters: they warn, and still work for a version.

`MODULES` and `MOVED` are tables of them, whose strings are looked up when an old name is used, so
that nothing is imported for its sake. Old parameters and attributes stand where the new ones are.
"""

import functools
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from .pytorch import expect_here

P = ParamSpec("P")
R = TypeVar("R")

# Modules that have another name now; what is in them has moved along.
MODULES = {
    "minires.context": "minires.modes",
    "minires.data.folders": "minires.vision.folders",
    "minires.data.transforms": "minires.vision.transforms",
    "minires.engine": "minires.autograd",
    "minires.experiments.finetune": "minires.vision.finetune",
    "minires.experiments.flow": "minires.experiments.gradient_flow",
    "minires.experiments.flow.cures": "minires.experiments.gradient_flow.ablations",
    "minires.experiments.gradchecks": "minires.inspect.gradchecks",
    "minires.experiments.trained": "minires.experiments.degradation.trained",
    "minires.fast": "minires.kernels",
    "minires.inspect.hooks": "minires.autograd.hooks",
    "minires.models.activation": "minires.vision.cam",
    "minires.models.imagenet": "minires.models.resnet",
    "minires.step": "minires.autograd",
    "minires.viz.curves": "minires.experiments.degradation.figure",
    "minires.viz.flow": "minires.experiments.gradient_flow.ablations_figure",
    "minires.viz.maps": "minires.viz.feature_maps",
    "minires.viz.step_page": "minires.inspect.step_page",
}
# What has another name now, or is in another module.
MOVED = {
    "minires.data.ImageFolder": "minires.vision.ImageFolder",
    "minires.data.Pictures": "minires.vision.FolderImages",
    "minires.data.image_folder": "minires.vision.image_folder",
    "minires.data.transforms.evaluation_picture": "minires.vision.transforms.evaluation_image",
    "minires.data.transforms.normalised": "minires.vision.transforms.normalise",
    "minires.data.transforms.training_picture": "minires.vision.transforms.training_image",
    "minires.errors.expect": "minires.deprecated.expect",
    "minires.experiments.flow.cures.CURED": "minires.experiments.gradient_flow.ablations.BASELINE",
    "minires.experiments.flow.cures.Cures": "minires.experiments.gradient_flow.ablations.Ablations",
    "minires.experiments.trained.trained": "minires.experiments.degradation.trained_model",
    "minires.experiments.trained.weights_of": "minires.experiments.degradation.weights_path",
    "minires.models.activation.look": "minires.vision.cam.predict",
    "minires.models.cifar.cifar_net": "minires.models.cifar_net",
    "minires.models.imagenet.ImageNet": "minires.models.resnet.ResNet",
    "minires.models.imagenet.imagenet_net": "minires.models.imagenet_net",
    "minires.train.RunFolder": "minires.runs.RunFolder",
    "minires.train.read_history": "minires.runs.read_history",
    "minires.train.write_history": "minires.runs.write_history",
    "minires.viz.flow.flow_figure": (
        "minires.experiments.gradient_flow.ablations_figure.ablations_figure"
    ),
    "minires.viz.maps.maps_figure": "minires.viz.feature_maps.feature_maps_figure",
}


def expect(condition: bool, error: type[Exception], message: str | Callable[[], str]) -> None:
    """Raise `error(message)` unless `condition` holds; write `if not ...: raise` instead."""
    if not condition:
        raise error(message if isinstance(message, str) else message())


def keep_old_names(module: str) -> None:
    """Let a module find attributes that have another name now, and answer for those of PyTorch.

    The packages of minires are found in it too, and imported when they are first asked for.
    """

    def find(name: str) -> Any:
        old = f"{module}.{name}"
        new = MOVED.get(old) or MODULES.get(old)
        if new is None and module in MODULES:
            new = f"{MODULES[module]}.{name}"
        if new is None or name.startswith("__"):
            expect_here(module, name)
            if module == __package__ and not name.startswith("_") and find_spec(f"{module}.{name}"):
                return import_module(f"{module}.{name}")
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        from pkgutil import resolve_name  # here, so that importing minires does not pay for it

        found = resolve_name(new)
        warnings.warn(f"{old} is now called {new}", DeprecationWarning, stacklevel=2)
        return found

    # Not by a function `__getattr__` in the module: type checkers would take any name there.
    vars(sys.modules[module])["__getattr__"] = find


class OldModules:
    """Makes modules that have another name now, for `sys.meta_path`: only their old names."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, OldModules, is_package=True) if name in MODULES else None  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """Have Python make an empty module."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        keep_old_names(module.__name__)


def old_attribute(of: Any, old: str, new: str) -> Any:
    """Return the attribute `new`, which was called `old`."""
    message = f"{type(of).__name__}.{old} is now called {new}"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
    return getattr(of, new)


def old_parameters(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function also take parameters by their old `names`, given as old="new"."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def called(*args: P.args, **given: P.kwargs) -> R:
            for old, new in names.items() if given else ():
                if old in given and new not in given:
                    given[new] = given.pop(old)
                    message = f"the parameter {old} of {function.__qualname__} is now called {new}"
                    warnings.warn(message, DeprecationWarning, stacklevel=2)
            return function(*args, **given)

        return called

    return decorate
