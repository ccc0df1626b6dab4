"""Old public names: they still work, and warn with the new name in the line that uses them."""

import inspect
from pkgutil import resolve_name

import numpy as np
import pytest

import minires
from minires import Tensor, nn
from minires import functional as F
from minires.deprecated import MODULES, MOVED
from minires.optim import SGD
from minires.vision.cam import Prediction

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 5, 5)).astype(np.float32)
W = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
V = np.ones(3, np.float32)

# --- modules and what is in them ------------------------------------------------------------

# What users have imported, from where, and what it is now.
IMPORTS = [
    ("minires", "fast", "minires.kernels"),
    ("minires.fast", "set_num_threads", "minires.kernels.set_num_threads"),
    ("minires.engine", "Tensor", "minires.autograd.Tensor"),
    ("minires.engine", "Op", "minires.autograd.Op"),
    ("minires.step", "Step", "minires.autograd.Step"),
    ("minires.context", "no_grad", "minires.modes.no_grad"),
    ("minires.data", "ImageFolder", "minires.vision.ImageFolder"),
    ("minires.errors", "expect", "minires.deprecated.expect"),
    ("minires.data", "image_folder", "minires.vision.image_folder"),
    ("minires.data", "Pictures", "minires.vision.FolderImages"),
    ("minires.data.transforms", "normalised", "minires.vision.transforms.normalise"),
    ("minires.experiments.finetune", "Finetune", "minires.vision.finetune.Finetune"),
    ("minires.experiments.finetune", "FinetuneConfig", "minires.vision.finetune.FinetuneConfig"),
    ("minires.experiments.flow", "FlowRun", "minires.experiments.gradient_flow.FlowRun"),
    (
        *("minires.experiments.flow.cures", "Cures"),
        "minires.experiments.gradient_flow.ablations.Ablations",
    ),
    (
        *("minires.experiments.trained", "config_of"),
        "minires.experiments.degradation.trained.config_of",
    ),
    ("minires.experiments.trained", "trained", "minires.experiments.degradation.trained_model"),
    (
        *("minires.viz.flow", "flow_figure"),
        "minires.experiments.gradient_flow.ablations_figure.ablations_figure",
    ),
    ("minires.viz.maps", "maps_figure", "minires.viz.feature_maps.feature_maps_figure"),
    ("minires.viz.step_page", "step_page", "minires.inspect.step_page.step_page"),
    ("minires.models.imagenet", "ImageNet", "minires.models.resnet.ResNet"),
    ("minires.models.imagenet", "imagenet_net", "minires.models.imagenet_net"),
    ("minires.train", "RunFolder", "minires.runs.RunFolder"),
    ("minires.train", "read_history", "minires.runs.read_history"),
]


@pytest.mark.parametrize(("module", "name", "new"), IMPORTS)
def test_an_old_import_works_and_warns_in_its_line(module, name, new):
    names = {}
    with pytest.warns(DeprecationWarning, match="is now called") as warned:
        exec(compile(f"from {module} import {name}", "user.py", "exec"), names)
    assert names[name] is resolve_name(new)
    assert {(w.filename, str(w.message)) for w in warned} == {
        ("user.py", f"{module}.{name} is now called {new}")
    }


@pytest.mark.parametrize("new", sorted({*MOVED.values(), *MODULES.values()}))
def test_every_new_name_is_there(new):
    assert resolve_name(new) is not None


def test_an_old_name_is_an_attribute_too(monkeypatch):
    monkeypatch.delattr(minires, "fast", raising=False)  # what an import of it has left
    with pytest.warns(DeprecationWarning, match=r"^minires\.fast is now called minires\.kernels$"):
        assert minires.fast is minires.kernels


@pytest.mark.parametrize("module", ["minires", "minires.data", "minires.train", "minires.fast"])
def test_a_name_that_never_was_is_an_error(module, recwarn):
    with pytest.raises(AttributeError, match=r"module 'minires.*' has no attribute 'nothing'"):
        __import__(module, fromlist=["x"]).nothing  # noqa: B018
    with pytest.raises(ImportError):
        exec(f"from {module} import nothing")
    with pytest.raises(ImportError):
        exec(f"import {module}.nothing")
    assert not recwarn


@pytest.mark.parametrize("name", ["minires.data.Pictures", "minires.models.imagenet.ImageNet"])
def test_an_old_class_is_never_taken_for_a_module(name):
    with pytest.warns(DeprecationWarning, match="is now called"):
        assert inspect.isclass(resolve_name(name))


# --- attributes and parameters of methods ---------------------------------------------------


def test_old_attributes_of_results_are_there():
    prediction = Prediction(V, X)
    with pytest.warns(DeprecationWarning, match="Prediction.maps is now called feature_maps") as w:
        assert prediction.maps is X
    assert w[0].filename == __file__


def test_old_parameters_of_methods_work():
    layer = nn.Linear(3, 2)
    with pytest.warns(DeprecationWarning, match="is now called params"):
        optimiser = SGD(parameters=layer.parameters(), lr=0.1)
    assert len(optimiser.parameters) == 2
    with pytest.warns(DeprecationWarning, match="is now called state_dict"):
        layer.load_state_dict(state=layer.state_dict())


# --- parameters -----------------------------------------------------------------------------

CALLS = [
    (F.linear, {"x": X[0, 0], "w": X[1, :, 0, :], "b": V}, {}),
    (F.relu, {"x": X}, {}),
    (F.conv2d, {"x": X, "w": W, "b": np.ones(4, np.float32)}, {"stride": 2}),
    (F.batch_norm, {"x": X, "w": V, "b": V}, {"running_mean": V, "running_var": V}),
    (F.max_pool2d, {"x": X}, {"kernel_size": 2}),
    (F.avg_pool2d, {"x": X}, {"kernel_size": 2}),
    (F.global_avg_pool2d, {"x": X}, {}),
    (F.pad, {"x": X}, {"pad": (1, 0)}),
    (F.log_softmax, {"x": X}, {"dim": 1}),
    (F.cross_entropy, {"x": X[0, 0]}, {"target": [0, 1, 2, 3, 4]}),
    (F.shortcut_a, {"x": X}, {"channels": 5, "stride": 2}),
]
NEW = {"x": "input", "w": "weight", "b": "bias"}


@pytest.mark.parametrize(
    ("function", "old", "others"), CALLS, ids=lambda f: getattr(f, "__name__", "")
)
def test_an_old_parameter_works_and_warns(function, old, others, recwarn):
    old = {**old, "x": Tensor(old["x"], requires_grad=True)}
    expected = function(**{NEW[name]: value for name, value in old.items()}, **others)
    assert not recwarn
    with pytest.warns(DeprecationWarning, match="is now called") as warned:
        y = function(**old, **others)
    np.testing.assert_array_equal(y.data, expected.data)
    assert [str(w.message) for w in warned] == [
        f"the parameter {name} of {function.__name__} is now called {NEW[name]}" for name in old
    ]
    assert {w.filename for w in warned} == {__file__}
    assert y.op.line[0] == __file__


def test_every_function_takes_its_old_parameters():
    never_had_any = {F.adaptive_avg_pool2d, F.cat, F.dropout, F.softmax}
    functions = inspect.getmembers(F, inspect.isfunction)
    public = {f for name, f in functions if not name.startswith("_")}
    assert public - never_had_any == {function for function, _, _ in CALLS}


def test_the_channels_of_batch_norm():
    with pytest.warns(DeprecationWarning, match="channels of BatchNorm2d.__init__ is now called"):
        assert nn.BatchNorm2d(channels=3).weight.shape == (3,)


def test_an_old_and_a_new_name_of_one_parameter_are_an_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'x'"):
        F.relu(input=X, x=X)
