"""Every public function and constructor, given what cannot be meant: the errors are minires' own.

Each argument of a call that works is exchanged for each of `ODD`. What comes back may be a result,
or an error of `minires.errors`. Python's own TypeError is for arguments that do not exist alone.
"""

import inspect
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import minires
from minires import MiniresError, Tensor, data, models, nn, optim
from minires import functional as F
from minires import inspect as looks
from minires.kernels.cpu.threads import parallel_for
from minires.vision import transforms

ODD = {
    "None": None,
    "text": "two",
    "empty text": "",
    "bytes": b"2",
    "True": True,
    "-1": -1,
    "0": 0,
    "2.5": 2.5,
    "nan": float("nan"),
    "infinity": float("inf"),
    "1j": 1j,
    "a fraction": Fraction(1, 2),
    "2**70": 2**70,
    "a NumPy integer": np.int64(2),
    "a NumPy bool": np.bool_(True),
    "a list": [],
    "a tuple": (),
    "three": (1, 2, 3),
    "a list of text": ["a", "b"],
    "a ragged list": [[1, 2], [3]],
    "a list of None": [None],
    "a dict": {},
    "a set": {1},
    "an object": object(),
    "a class": str,
    "a function": repr,
    "a scalar array": np.array(1.0, np.float32),
    "a vector": np.ones(3, np.float32),
    "a matrix": np.ones((2, 3), np.float32),
    "maps": np.ones((2, 3, 4, 4), np.float32),
    "five dimensions": np.ones((1, 2, 1, 2, 1), np.float32),
    "no elements": np.ones((0, 3), np.float32),
    "float64": np.ones((2, 3)),
    "integers": np.ones((2, 3), int),
    "bools": np.ones((2, 3), bool),
    "an array of text": np.array(["a", "b"]),
    "an array of objects": np.array([None, 1], object),
    "dates": np.array(["2020-01-01"], "datetime64[D]"),
    "a tensor of integers": Tensor(np.arange(3)),
    "a tensor of bools": Tensor(np.array([True, False])),
    "a tensor": Tensor(np.ones((2, 3), np.float32)),
    "a module": nn.ReLU(),
}


def x(*shape, dtype=np.float32):
    """Numbers, different ones, from 0.1 on."""
    return Tensor(np.linspace(0.1, 1, int(np.prod(shape))).reshape(shape).astype(dtype), True)


def exact(*shape):
    return x(*shape, dtype=np.float64)


def with_gradient():
    leaf = x(2, 3)
    (leaf * leaf).sum().backward()
    return leaf


def each(iterator, *arguments, **named):
    return list(iterator(*arguments, **named))


def within(context, *arguments, **named):
    with context(*arguments, **named):
        (x(2, 3) * 2).sum().backward()


def module_with_hook(name, hook):
    module = nn.Linear(3, 2)
    getattr(module, name)(hook)
    module(x(2, 3)).sum().backward()


def within_backward(tensor, hook):
    tensor.register_hook(hook)
    tensor.sum().backward()


def with_threads(n):
    before = minires.get_num_threads()
    minires.set_num_threads(n)
    try:
        parallel_for(lambda start, stop: None, items=10**6, elements=10**9)
    finally:
        minires.set_num_threads(before)


def method(name, *shape):
    def call(*arguments, **named):
        return getattr(x(*shape), name)(*arguments, **named)

    call.__name__ = f"Tensor.{name}"
    return call


def layer(make, *shape):
    def call(*arguments, **named):
        return make(*arguments, **named)(x(*shape))

    call.__name__ = make.__name__
    return call


def named(name, function):
    def call(*arguments, **given):
        return function(*arguments, **given)

    call.__name__ = name
    return call


MAPS = (2, 3, 4, 4)
CALLS = [  # a function, and arguments with which it works
    (F.linear, {"input": x(2, 3), "weight": x(4, 3), "bias": x(4)}),
    (F.relu, {"input": x(*MAPS), "inplace": True}),
    (
        F.conv2d,
        {
            "input": x(*MAPS),
            "weight": x(2, 3, 3, 3),
            "bias": x(2),
            "stride": 1,
            "padding": 1,
            "dilation": 1,
            "groups": 1,
        },
    ),
    (
        F.batch_norm,
        {
            "input": x(*MAPS),
            "running_mean": np.zeros(3),
            "running_var": np.ones(3),
            "weight": x(3),
            "bias": x(3),
            "training": False,
            "momentum": 0.1,
            "eps": 1e-5,
        },
    ),
    (
        named("batch_norm in training", lambda **given: F.batch_norm(**given, training=True)),
        {
            "input": x(*MAPS),
            "running_mean": np.zeros(3),
            "running_var": np.ones(3),
            "weight": x(3),
            "bias": x(3),
            "momentum": 0.1,
            "eps": 1e-5,
        },
    ),
    (
        F.max_pool2d,
        {
            "input": x(*MAPS),
            "kernel_size": 2,
            "stride": 2,
            "padding": 0,
            "dilation": 1,
            "ceil_mode": False,
            "return_indices": False,
        },
    ),
    (
        F.avg_pool2d,
        {
            "input": x(*MAPS),
            "kernel_size": 2,
            "stride": 2,
            "padding": 0,
            "ceil_mode": False,
            "count_include_pad": True,
            "divisor_override": None,
        },
    ),
    (F.global_avg_pool2d, {"input": x(*MAPS)}),
    (F.adaptive_avg_pool2d, {"input": x(*MAPS), "output_size": 1}),
    (F.dropout, {"input": x(2, 3), "p": 0.5, "training": True, "inplace": False}),
    (F.pad, {"input": x(*MAPS), "pad": (1, 1), "mode": "constant", "value": 0.0}),
    (F.cat, {"tensors": [x(2, 3), x(1, 3)], "dim": 0}),
    (F.softmax, {"input": x(2, 3), "dim": -1}),
    (F.log_softmax, {"input": x(2, 3), "dim": -1}),
    (
        F.cross_entropy,
        {
            "input": x(2, 3),
            "target": [0, 1],
            "weight": np.ones(3, np.float32),
            "ignore_index": 1,
            "reduction": "sum",
            "label_smoothing": 0.1,
        },
    ),
    (F.shortcut_a, {"input": x(*MAPS), "channels": 6, "stride": 2}),
    # Tensors, their methods and operators
    (Tensor, {"data": [1.0, 2.0], "requires_grad": True, "dtype": "float32"}),
    *((method(f"__{name}__", 2, 3), {"other": x(2, 3)}) for name in ("add", "sub", "mul")),
    *((method(f"__r{name}__", 2, 3), {"other": 2.0}) for name in ("add", "sub", "mul")),
    *((method(f"__{name}truediv__", 2, 3), {"other": x(2, 3)}) for name in ("", "r")),
    (method("__matmul__", 2, 3), {"other": x(3, 2)}),
    (method("__rmatmul__", 2, 3), {"other": x(3, 2)}),
    (method("__pow__", 2, 3), {"exponent": 2}),
    (method("__rpow__", 2, 3), {"base": 2}),
    *((method(f"__{name}__", 2, 3), {"other": x(2, 3)}) for name in ("eq", "ne", "lt", "ge")),
    (method("__contains__", 2, 3), {"value": 1.0}),
    (method("__getitem__", 2, 3), {"key": 0}),
    *((method(name, 2, 3), {"dim": 0, "keepdim": False}) for name in ("sum", "mean", "max", "min")),
    *((method(name, 2, 3), {"dim": 0, "keepdim": False}) for name in ("argmax", "argmin")),
    (method("softmax", 2, 3), {"dim": 0}),
    (named("Tensor.view", lambda a, b: x(2, 3).view(a, b)), {"a": 3, "b": 2}),
    (named("Tensor.size", lambda dim: x(2, 3).size(dim)), {"dim": 0}),
    (
        named("Tensor.register_hook", lambda hook: within_backward(x(2, 3) * 2, hook)),
        {"hook": lambda gradient: None},
    ),
    (named("Tensor.reshape", lambda a, b: x(2, 3).reshape(a, b)), {"a": 3, "b": 2}),
    (named("Tensor.reshape to", lambda shape: x(2, 3).reshape(shape)), {"shape": (3, 2)}),
    (method("flatten", 2, 3), {"start_dim": 0}),
    (named("Tensor.permute", lambda a, b: x(2, 3).permute(a, b)), {"a": 1, "b": 0}),
    (method("transpose", 2, 3), {"dim0": 0, "dim1": 1}),
    (
        named("Tensor.to", lambda target, **given: x(2, 3).to(target, **given)),
        {"target": "numpy", "dtype": None, "backend": None},
    ),
    (method("to", 2, 3), {"dtype": "float64"}),
    (method("backward", 2, 3), {"gy": np.ones((2, 3)), "retain_graph": False}),
    (
        named("Tensor.backward_steps", lambda **given: each((x(2, 3) * 2).backward_steps, **given)),
        {"gy": np.ones((2, 3)), "retain_graph": False, "ops": None, "path": None},
    ),
    *(
        (
            named(f"Tensor.{name}", lambda data, name=name: getattr(Tensor(data), name)()),
            {"data": [1.0]},
        )
        for name in ("__neg__", "exp", "log", "relu", "sum", "mean", "max", "item", "detach")
    ),
    # Layers and initial weights
    (
        layer(nn.Conv2d, *MAPS),
        {
            "in_channels": 3,
            "out_channels": 2,
            "kernel_size": 3,
            "stride": 1,
            "padding": 1,
            "bias": True,
            "init": nn.he_normal,
            "dilation": 1,
            "groups": 1,
            "padding_mode": "zeros",
        },
    ),
    (
        layer(nn.Linear, 2, 3),
        {"in_features": 3, "out_features": 2, "bias": True, "init": nn.he_normal},
    ),
    (
        layer(nn.BatchNorm2d, *MAPS),
        {
            "num_features": 3,
            "eps": 1e-5,
            "momentum": 0.1,
            "affine": True,
            "track_running_stats": True,
        },
    ),
    (
        layer(nn.SyncBatchNorm2d, *MAPS),
        {"num_features": 3, "total": lambda own: own, "eps": 1e-5, "momentum": 0.1},
    ),
    (
        layer(nn.MaxPool2d, *MAPS),
        {
            "kernel_size": 2,
            "stride": 2,
            "padding": 0,
            "dilation": 1,
            "return_indices": False,
            "ceil_mode": False,
        },
    ),
    (layer(nn.AdaptiveAvgPool2d, *MAPS), {"output_size": 1}),
    (layer(nn.Flatten, *MAPS), {"start_dim": 1}),
    (layer(nn.Dropout, *MAPS), {"p": 0.5, "inplace": False}),
    (named("ReLU in place", lambda inplace: nn.ReLU(inplace)(x(2, 3))), {"inplace": True}),
    (
        named(
            "CrossEntropyLoss",
            lambda input, target, **given: nn.CrossEntropyLoss(**given)(input, target),
        ),
        {
            "input": x(2, 3),
            "target": [0, 1],
            "weight": np.ones(3, np.float32),
            "ignore_index": 0,
            "reduction": "mean",
            "label_smoothing": 0.1,
        },
    ),
    (named("ModuleList", lambda modules: nn.ModuleList(modules)[0]), {"modules": [nn.ReLU()]}),
    (
        named("Module.append", lambda module: nn.ModuleList([]).append(module)),
        {"module": nn.ReLU()},
    ),
    (named("Module.apply", nn.Linear(3, 2).apply), {"function": lambda module: None}),
    *(
        (
            named(f"Module.{name}", lambda hook, name=name: module_with_hook(name, hook)),
            {"hook": lambda *_: None},
        )
        for name in ("register_forward_hook", "register_full_backward_hook")
    ),
    (named("Module.summary", nn.Linear(3, 2).summary), {"input": (2, 3)}),
    (
        named("Sequential", lambda a, every: nn.Sequential(a, checkpoint_every=every)(x(2, 3))),
        {"a": nn.ReLU(), "every": 1},
    ),
    *(
        (named(m.__name__, lambda x, m=m: m()(x)), {"x": x(*MAPS)})
        for m in (nn.ReLU, nn.Identity, nn.GlobalAvgPool2d)
    ),
    (nn.he_normal, {"shape": (2, 3)}),
    (nn.xavier_normal, {"shape": (2, 3)}),
    (nn.Parameter, {"data": [1.0, 2.0]}),
    (
        named("Module.to", lambda target, **given: nn.Linear(3, 2).to(target, **given)),
        {"target": "numpy", "dtype": None, "backend": None},
    ),
    (named("Sequential[i]", lambda i: nn.Sequential(nn.ReLU())[i]), {"i": 0}),
    (named("Module.train", lambda mode: nn.ReLU().train(mode)), {"mode": True}),
    (
        named("Module.load_state_dict", lambda **given: nn.Linear(3, 2).load_state_dict(**given)),
        {"state": nn.Linear(3, 2).state_dict(), "strict": False},
    ),
    (
        named(
            "Module.load_state_dict of an entry",
            lambda weight: nn.Linear(3, 2, False).load_state_dict({"weight": weight}),
        ),
        {"weight": np.ones((2, 3))},
    ),
    # Models
    *(
        (layer(m, *MAPS), {"in_channels": 3, "channels": 2, "stride": 1, "shortcut": "B"})
        for m in (models.BasicBlock, models.Bottleneck)
    ),
    (
        models.cifar_resnet,
        {
            "depth": 8,
            "shortcut": "A",
            "num_classes": 10,
            "in_channels": 3,
            "norm": nn.BatchNorm2d,
            "init": nn.he_normal,
            "checkpoint_every": 1,
        },
    ),
    (models.cifar_plain, {"depth": 8, "num_classes": 10, "in_channels": 3}),
    (
        models.PreactNet,
        {
            "depth": 11,
            "num_classes": 10,
            "in_channels": 3,
            "norm": nn.BatchNorm2d,
            "init": nn.he_normal,
            "checkpoint_every": 1,
        },
    ),
    (
        named("NetSpec.parse", models.NetSpec.parse),
        {"name": "resnet20", "family": "cifar", "shortcut": "A", "stride_in": "3x3"},
    ),
    (
        models.NetSpec,
        {
            "kind": "resnet",
            "depth": 20,
            "family": "cifar",
            "shortcut": "A",
            "stride_in": "3x3",
        },
    ),
    (
        named("NetSpec.build", models.NetSpec("resnet", 8).build),
        {"num_classes": 10, "in_channels": 3},
    ),
    (named("NetSpec.image", models.NetSpec("resnet", 8).image), {"in_channels": 3}),
    (models.cifar_net, {"name": "resnet8", "num_classes": 10, "in_channels": 3, "shortcut": "A"}),
    (models.imagenet_net, {"name": "resnet18", "stride_in": "3x3"}),
    (models.resnet50, {"stride_in": "3x3"}),
    # The optimiser and its learning rates
    (
        named("SGD", lambda parameters, **given: optim.SGD(parameters, **given).step()),
        {
            "parameters": [with_gradient()],
            "lr": 0.1,
            "momentum": 0.9,
            "weight_decay": 1e-4,
            "dampening": 0,
            "nesterov": False,
        },
    ),
    (
        named("Adam", lambda params, **given: optim.Adam(params, **given).step()),
        {
            "params": [with_gradient()],
            "lr": 0.1,
            "betas": (0.9, 0.99),
            "eps": 1e-8,
            "weight_decay": 1e-4,
            "amsgrad": False,
        },
    ),
    *(
        (
            named(kind.__name__, lambda kind=kind, **given: kind(**given).step()),
            {"optimizer": optim.SGD([x(3)], 0.1), **settings},
        )
        for kind, settings in (
            (optim.lr_scheduler.StepLR, {"step_size": 2, "gamma": 0.1}),
            (optim.lr_scheduler.MultiStepLR, {"milestones": [1, 2], "gamma": 0.1}),
            (optim.lr_scheduler.CosineAnnealingLR, {"T_max": 3, "eta_min": 0.0}),
            (
                optim.lr_scheduler.LinearLR,
                {"start_factor": 0.5, "end_factor": 1.0, "total_iters": 3},
            ),
        )
    ),
    (
        named("StepSchedule", lambda iteration, **given: optim.StepSchedule(**given)(iteration)),
        {"iteration": 3, "lr": 0.1, "milestones": (2, 4), "factor": 0.1, "warmup": 1},
    ),
    (
        named("ErrorWarmup", lambda iteration, **given: optim.ErrorWarmup(**given)(iteration)),
        {
            "iteration": 3,
            "lr": 0.1,
            "milestones": (2, 4),
            "factor": 0.1,
            "low": 0.01,
            "until": 80.0,
            "window": 100,
        },
    ),
    (
        named("ErrorWarmup.observe", lambda **given: optim.ErrorWarmup(0.1).observe(**given)),
        {"train_error": 50.0},
    ),
    (
        named("ErrorWarmup.load_state_dict", optim.ErrorWarmup(0.1).load_state_dict),
        {"state": {"warm": True, "errors": [1.0]}},
    ),
    (
        named(
            "SGD.load_state_dict", lambda **given: optim.SGD([x(3)], 0.1).load_state_dict(**given)
        ),
        {"state_dict": optim.SGD([x(3)], 0.1).state_dict()},
    ),
    (
        named("Adam.load_state_dict", optim.Adam([x(3)]).load_state_dict),
        {"state_dict": optim.Adam([x(3)]).state_dict()},
    ),
    (named("SGD.to", lambda backend: optim.SGD([x(3)], 0.1).to(backend)), {"backend": "numpy"}),
    (named("Adam.to", lambda backend: optim.Adam([x(3)]).to(backend)), {"backend": "numpy"}),
    # The package itself
    (minires.manual_seed, {"seed": 0}),
    (named("set_num_threads", with_threads), {"n": 2}),
    (minires.checkpoint, {"function": lambda a: a * 2, "a": x(2, 3)}),
    (
        minires.gradcheck,
        {
            "function": lambda a: a * 2,
            "inputs": [exact(2)],
            "eps": 1e-6,
            "rtol": 1e-5,
            "atol": 1e-10,
            "seed": 0,
        },
    ),
    (named("tf32", lambda use: within(minires.tf32, use)), {"use": True}),
    # Looking into a step
    (looks.Graph, {"tensor": x(2, 3) * 2}),
    (named("Graph.text", lambda fold: looks.Graph(x(2, 3) * 2).text(fold)), {"fold": 1}),
    *(
        (
            named(f.__name__, lambda f=f, **given: within(f, **given)),
            {"hook": lambda *_: None, "path": None, "ops": "Mul"},
        )
        for f in (looks.backward_hook, looks.forward_hook)
    ),
    (
        looks.record,
        {
            "model": nn.Linear(3, 2),
            "x": np.ones((2, 3), np.float32),
            "labels": [0, 1],
            "channels": 8,
            "image": 0,
        },
    ),
    (named("Graph.blocks", lambda fold: looks.Graph(x(2, 3) * 2).blocks(fold)), {"fold": 1}),
    # Weights
    *(
        (f, {"model": nn.Linear(3, 2), "path": "/nowhere/w.safetensors", **more})
        for f, more in (
            (minires.export_onnx, {"image": (3,)}),
            (minires.save_weights, {}),
            (minires.load_weights, {"strict": True, "rename": {}, "key": "model"}),
        )
    ),
    (minires.save, {"state_dict": {"w": np.ones(2)}, "path": "/nowhere/w.safetensors"}),
    (minires.load, {"path": "/nowhere/w.safetensors"}),
    # Data
    (
        named("Dataset.batches", lambda **given: next(iter(data.digits().batches(**given)))),
        {"batch_size": 8, "shuffle": True, "seed": 0},
    ),
    (data.Dataset, dict(vars(data.digits()))),
    (named("Dataset.draws", data.digits().draws), {"seed": 0, "epoch": 0}),
    (data.load, {"name": "digits", "data_dir": None, "download": False}),
    (data.cifar10, {"folder": Path("nowhere")}),
    (named("Dataset.enlarged", data.digits().enlarged), {"size": 16}),
    (named("Dataset.with_validation", data.digits().with_validation), {"share": 0.2}),
    (named("Dataset.to", data.digits().to), {"backend": "numpy"}),
    (
        named(
            "Dataset.training_batches",
            lambda **given: next(data.digits().training_batches(**given)),
        ),
        {"batch_size": 8, "seed": 0, "epoch": 0, "first": 0},
    ),
    (named("Dataset.inputs", data.digits().inputs), {"images": data.digits().test_images[:2]}),
    (minires.progress, {"events": []}),
    (minires.Replayed, {"function": lambda x: (x,)}),
    (named("Replayed()", lambda x: minires.Replayed(lambda a: (a,))(x)), {"x": np.ones(3)}),
    (transforms.normalise, {"images": np.zeros((1, 3, 4, 4), np.uint8)}),
    (transforms.random_box, {"width": 9, "height": 8, "rng": np.random.default_rng(0)}),
]
PAIRS = [
    pytest.param(function, arguments, name, id=f"{function.__name__} {name}")
    for function, arguments in CALLS
    for name in arguments
]


EXEMPT = {  # what takes no arguments, or is made by minires alone, or is one of several alike
    *("Block", "LoadReport", "Mismatch", "Module", "Node", "Op", "Step", "Trace", "MiniresError"),
    *("detect_anomaly", "digits", "get_num_threads", "no_grad", "textbook", "watch_layers"),
    *("resnet18", "resnet34", "resnet101", "resnet152", "plain18", "plain34"),
    *("OldModules", "PyTorchNames", "keep_old_names", "LRScheduler"),
}


def public_names():
    """Functions and classes of the modules that users import from, and methods with arguments."""
    for module in (F, nn, models, data, optim, optim.lr_scheduler, looks, minires):
        for name, value in vars(module).items():
            own = getattr(value, "__module__", "").startswith(module.__name__)
            if callable(value) and own and not name.startswith("_"):
                yield name
    for kind in (
        Tensor,
        nn.Module,
        data.Dataset,
        looks.Graph,
        models.NetSpec,
        optim.SGD,
        optim.Adam,
    ):
        for name, value in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_") and len(inspect.signature(value).parameters) > 1:
                yield f"{kind.__name__}.{name}"


def test_every_public_function_is_called_here():
    called = {function.__name__.split()[0] for function, _ in CALLS}
    # of minires' own
    methods = {"Module.forward", "Module.named_modules", "Tensor.accumulate", "Graph.drawn"}
    assert set(public_names()) - called - EXEMPT - methods == set()


@pytest.mark.parametrize(("function", "arguments"), CALLS, ids=[f.__name__ for f, _ in CALLS])
def test_the_call_itself_works(function, arguments):
    try:
        call(function, arguments)
    except MiniresError as error:
        assert "nowhere" in str(error)  # noqa: PT017 - all others raise nothing


@pytest.mark.parametrize(("function", "arguments", "name"), PAIRS)
def test_an_odd_argument_gives_an_error_of_minires_or_none(
    function, arguments, name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # an odd path may be one
    failures = []
    for odd, value in ODD.items():
        if name in ("hook", "total") and callable(value):
            continue  # it is called as such functions are, and says itself if it cannot be
        try:
            call(function, {**arguments, name: value})
        except MiniresError as error:
            if len(str(error)) > 1000:
                failures.append(f"{odd}: the message has {len(str(error))} characters")
        except Exception as error:
            failures.append(f"{odd}: {type(error).__name__}: {error}")
    assert not failures, "\n".join(["", *failures])


def call(function, arguments):
    """The result of a call; what NumPy warns of is no error."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if function is minires.checkpoint:
            return function(*arguments.values())
        return function(**arguments)
