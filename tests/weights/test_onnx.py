"""Exported models: ONNX's checker believes them, and onnxruntime computes what we compute."""

import sys
from functools import reduce

import numpy as np
import pytest
from oracles import difference

import minires
from minires import Tensor, export_onnx, models, nn
from minires import functional as F
from minires.errors import ShapeError, UsageError
from minires.weights.onnx import OPSET
from minires.weights.onnx_nodes import COUNTERPARTS

try:
    import onnx.reference
    import onnxruntime
except ImportError:
    onnx = onnxruntime = None

needs_onnx = pytest.mark.skipif(onnx is None, reason="onnx or onnxruntime is not installed")

ROUNDING = 1e-5  # of float32, as a share of the largest output


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def settled(net):
    """The net with running statistics and biases as training would leave them, none of them 0."""
    draw = np.random.default_rng(1)
    for name, tensor in net.named_tensors():
        if name.endswith(("running_mean", "bias")):
            tensor.data[...] = draw.normal(0, 0.1, tensor.shape)
        if name.endswith("running_var"):
            tensor.data[...] = draw.uniform(0.5, 1.5, tensor.shape)
        if name.endswith("weight") and tensor.ndim == 1:
            tensor.data[...] = draw.uniform(0.3, 0.7, tensor.shape)
    return net


def run(path, x):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (y,) = session.run(["output"], {"input": x})
    return y


def ours(model, x):
    with minires.no_grad():
        return model.eval()(x).data


class Applied(nn.Module):
    """A function of images as a model; what it is given by name is a parameter."""

    def __init__(self, function, **weights):
        self.function = function
        for name, weight in weights.items():
            setattr(self, name, nn.Parameter(weight))
        self.given = list(weights)

    def forward(self, x):
        return self.function(x, *(getattr(self, name) for name in self.given))


# --- nets ---------------------------------------------------------------------------------

NETS = {
    "resnet20": (lambda: models.cifar_resnet(20, "A"), (3, 32, 32)),
    "resnet20, 17x13": (lambda: models.cifar_resnet(20, "A"), (3, 17, 13)),
    "resnet20, shortcuts B": (lambda: models.cifar_resnet(20, "B"), (3, 17, 13)),
    "resnet20, shortcuts C": (lambda: models.cifar_resnet(20, "C"), (3, 17, 13)),
    "plain20": (lambda: models.cifar_plain(20, in_channels=1), (1, 8, 8)),
    "resnet20 without norms": (lambda: models.cifar_resnet(20, norm=nn.Identity), (3, 16, 16)),
    "preact11": (lambda: models.cifar_net("preact11"), (3, 17, 13)),
    "resnet18": (lambda: models.resnet18(num_classes=7), (3, 65, 49)),
    "resnet50": (lambda: models.resnet50(num_classes=7), (3, 47, 33)),
    "resnet50, stride in 1x1": (lambda: models.resnet50(7, "1x1"), (3, 47, 33)),
    "resnet18, shortcuts A": (lambda: models.resnet18(7, shortcut="A"), (3, 65, 49)),
}


@needs_onnx
@pytest.mark.parametrize("name", NETS)
def test_a_net_computes_the_same_in_onnxruntime(tmp_path, name):
    make, image = NETS[name]
    minires.manual_seed(0)
    net, path = settled(make()), tmp_path / "net.onnx"
    export_onnx(net, path, image)
    onnx.checker.check_model(path, full_check=True)
    for batch in (1, 3):
        x = normal(batch, *image, seed=batch)
        expected = ours(net, x)
        assert np.abs(expected).max() > 0.01
        assert difference(run(path, x), expected) < ROUNDING


@needs_onnx
def test_a_net_of_float64(tmp_path):
    net = settled(models.cifar_resnet(8)).to(np.float64)
    export_onnx(net, tmp_path / "net.onnx", (3, 9, 9))
    x = normal(2, 3, 9, 9).astype(np.float64)
    # Not onnxruntime, which has no convolution of float64.
    (y,) = onnx.reference.ReferenceEvaluator(str(tmp_path / "net.onnx")).run(None, {"input": x})
    assert difference(y, ours(net, x)) < 1e-12


@needs_onnx
def test_what_is_in_the_file(tmp_path):
    net = settled(models.cifar_resnet(20, "B"))
    net.train()
    export_onnx(net, tmp_path / "net.onnx", (3, 17, 13))
    assert all(module.training for _, module in net.named_modules()), "its mode has changed"
    file = onnx.load(tmp_path / "net.onnx")
    assert [(o.domain, o.version) for o in file.opset_import] == [("", OPSET)]
    assert OPSET >= 17
    (x,), (y,) = file.graph.input, file.graph.output
    sizes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in (x, y)]
    assert sizes == [["N", 3, 17, 13], ["N", 10]]
    weights = {i.name: onnx.numpy_helper.to_array(i) for i in file.graph.initializer}
    state = net.state_dict()
    assert weights.keys() == state.keys()
    assert all((weights[name] == array).all() for name, array in state.items())
    names = [node.name for node in file.graph.node]
    assert len({*names}) == len(names)
    assert names[:3] == ["conv1.Conv", "bn1.BatchNormalization", "Relu"]
    assert "layer2.0.downsample.0.Conv" in names
    assert names.count("layer3.2.Add") == 1
    assert names[-1] == "fc.Gemm"


@needs_onnx
def test_the_references_operations_are_exported_alike(tmp_path):
    net = settled(models.cifar_resnet(8))
    export_onnx(net, tmp_path / "fast.onnx", (3, 9, 9))
    with minires.textbook():
        export_onnx(net, tmp_path / "textbook.onnx", (3, 9, 9))
    one, two = ((tmp_path / f"{name}.onnx").read_bytes() for name in ("fast", "textbook"))
    assert one == two


@needs_onnx
def test_a_name_that_is_taken_gets_a_number(tmp_path):
    def function(x, *weights):
        return sum(weights, x.relu())

    weights = {name: normal(3, 6, 5, seed=i) for i, name in enumerate(("input", "output", "Relu"))}
    model = Applied(function, **weights, Add=weights["input"])
    export_onnx(model, tmp_path / "net.onnx", (3, 6, 5))
    x = normal(2, 3, 6, 5)
    assert difference(run(tmp_path / "net.onnx", x), ours(model, x)) < ROUNDING
    file = onnx.load(tmp_path / "net.onnx")
    assert [i.name for i in file.graph.initializer] == ["input_2", "output_2", "Relu"]


# --- operations ---------------------------------------------------------------------------

positive = np.abs(normal(3, 6, 5)) + 0.5

OPERATIONS = {
    "add, sub": lambda x: (x + 2.5) - x[:, :1],
    "mul, div": lambda x: x * x / Tensor(positive),
    "constants first": lambda x: 1 - 2 / (x * x + 1),
    "neg, exp": lambda x: (-x).exp(),
    "log, pow": lambda x: (x * x + 1).log() + (x * x + 1) ** -0.5 + x**3,
    "relu": lambda x: x.relu(),
    "matmul": lambda x: x @ Tensor(normal(5, 4)),
    "reshape, linear": lambda x: F.linear(x.flatten(1), normal(4, 90), normal(4)),
    "linear without bias": lambda x: F.linear(x.reshape(-1, 90), normal(4, 90)),
    "reshape to rows": lambda x: x.reshape(x.shape[0], 9, 10),
    "permute": lambda x: x.permute(0, 3, 1, 2),
    "transpose": lambda x: x.transpose(1, -1),
    "pad": lambda x: F.pad(x, (1, 2, 0, 3, 4, 0), value=-1.5),
    "slices": lambda x: x[:, 1:, ::2, 1:-1],
    "slices from the end": lambda x: x[..., -3:],
    "slices around": lambda x: x[:, ..., 1::3],
    "all of it": lambda x: x[:],
    "conv2d": lambda x: F.conv2d(x, normal(4, 3, 3, 2), normal(4), (2, 1), (1, 0)),
    "batch norm": lambda x: F.batch_norm(
        x, normal(3), positive[:, 0, 0], normal(3, seed=1), normal(3, seed=2), eps=0.1
    ),
    "max pool": lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0)),
    "max pool of 2": lambda x: F.max_pool2d(x, 2),
    "avg pool": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "global avg pool": F.global_avg_pool2d,
    "log softmax": lambda x: F.log_softmax(x, 1),
    "a result used twice": lambda x: (lambda y: y * y + y)(x.exp()),
    "an output that is used and then given": lambda x: (lambda y: (y.exp(), y)[1])(x.relu()),
    "constants that come and go": lambda x: reduce(
        lambda y, i: y * np.full((6, 5), 0.5) + np.full((6, 5), i), range(20), x
    ),
    "detached": lambda x: x.exp().detach() + x,
    "a constant that many share": lambda x: x + Tensor(positive) * Tensor(positive),
}


@needs_onnx
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_computes_the_same_in_onnxruntime(tmp_path, name):
    model = Applied(OPERATIONS[name])
    export_onnx(model, tmp_path / "net.onnx", (3, 6, 5))
    for batch in (1, 4):
        x = normal(batch, 3, 6, 5, seed=batch)
        y = run(tmp_path / "net.onnx", x)
        expected = ours(model, x)
        assert y.dtype == np.float32
        assert difference(y, expected) < ROUNDING


def test_every_counterpart_is_tried():
    """Every operation that can be exported ran in a model above."""
    seen = set()

    def see(op, inputs, output):
        seen.update(kind for kind in COUNTERPARTS if isinstance(op, kind))

    with minires.inspect.forward_hook(see):
        for function in OPERATIONS.values():
            Applied(function).eval()(normal(2, 3, 6, 5))
    assert seen == set(COUNTERPARTS)


# --- what raises --------------------------------------------------------------------------

REFUSED = {
    "no counterpart": (
        lambda x: x.sum((2, 3)),
        r"Sum cannot be exported: it has no counterpart in ONNX here; those that have one are Add",
    ),
    "batch norm of the batch": (
        lambda x: F.batch_norm(x, None, None, np.ones(3), np.ones(3), training=True),
        "BatchNorm cannot be exported",
    ),
    "an index array": (
        lambda x: x[:, np.array([0, 2])],
        r"Index cannot be exported with array\(\[0, 2\]\) as an index; only slices that go forw",
    ),
    "an integer": (lambda x: x[:, 1], "Index cannot be exported with 1 as an index"),
    "backwards": (
        lambda x: x[:, ::-1],
        r"Index cannot be exported with slice\(None, None, -1\) as an index",
    ),
    "the batch as a size": (
        lambda x: (x + 1).reshape(1, x.shape[0], -1).permute(1, 0, 2),
        r"Reshape \(.*test_onnx\.py:\d+\) does one thing for one image and another for two",
    ),
    "the batch as a number": (
        lambda x: x * x.shape[0],
        "Mul .* does one thing for one image and another for two",
    ),
    "an operation an image": (
        lambda x: sum((x for _ in range(x.shape[0])), x),
        "Add .* does one thing for one image and another for two",
    ),
    "an output of images by images": (
        lambda x: x.flatten(1) @ x.flatten(1).T,
        r"has the shape \(1,\) where there is one image, and \(2,\) where there are two",
    ),
    "other operations": (
        lambda x: x.exp() if x.shape[0] == 1 else x.relu(),
        "Exp .* does one thing for one image and another for two",
    ),
    "values of the images": (
        lambda x: x * float(x.data.max()),
        "Mul .* does one thing for one image and another for two",
    ),
    "outside of the graph": (
        lambda x: Tensor(np.exp(x.data)) + 1,
        "Add .* does one thing for one image and another for two",
    ),
    "a sum of images": (
        lambda x: x.reshape(-1),
        r"must make one output an image; for 1 images it made the shape \(90,\)",
    ),
    "the images": (lambda x: (x.exp(), x)[1], "must make its output by operations of minires"),
    "no operation": (lambda x: x, "must make its output by operations of minires"),
    "no operation at the end": (
        lambda x: Tensor(x.exp().data + 1),
        "must make its output by operations of minires",
    ),
}


@needs_onnx
@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_exported_raises(tmp_path, what):
    function, said = REFUSED[what]
    with pytest.raises(UsageError, match=said):
        export_onnx(Applied(function), tmp_path / "net.onnx", (3, 6, 5))
    assert list(tmp_path.iterdir()) == []


@needs_onnx
def test_images_that_a_model_does_not_take_raise(tmp_path):
    net = models.cifar_resnet(8)
    with pytest.raises(ShapeError, match=r"x of shape \(1, 1, 8, 8\)"):
        export_onnx(net, tmp_path / "net.onnx", (1, 8, 8))
    with pytest.raises(UsageError, match=r"sizes of at least 1, got \(3, 0, 8\)"):
        export_onnx(net, tmp_path / "net.onnx", (3, 0, 8))
    assert net.training


def test_without_the_package_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r'needs the package onnx, .*; pip install "\.\[onnx\]"'):
        export_onnx(models.cifar_resnet(8), tmp_path / "net.onnx", (3, 8, 8))
