"""Habits of those who come from PyTorch: each works, with PyTorch's value, or is answered.

A habit that works is one function, run with both libraries; one that does not is answered by one
sentence that names what is here instead, or says why there is nothing. Run as a program, this file
counts how many habits work, are answered, and fail.
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from oracles import needs_torch, torch

import minires
from minires import Tensor, data, nn, optim
from minires import functional as F
from minires.errors import MiniresError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4)).astype(np.float32)
POSITIVE = np.abs(X) + 0.5
V = RNG.normal(size=4).astype(np.float32)
SEQUENCES = RNG.normal(size=(2, 3, 4)).astype(np.float32)
MAPS = RNG.normal(size=(4, 3, 8, 8)).astype(np.float32)
KERNEL = RNG.normal(size=(5, 3, 3, 3)).astype(np.float32)
LABELS = np.array([1, 3, 0])
FOUR = np.array([0, 1, 1, 0])
WEIGHTS = np.array([1.0, 2.0, 0.5, 3.0], np.float32)


def ours():
    """minires, under the names that a habit uses."""
    return SimpleNamespace(
        t=lambda a, grad=False: Tensor(a, requires_grad=grad),
        labels=lambda a: a,
        array=lambda y: getattr(y, "data", y) if isinstance(y, Tensor) else y,
        **{name: getattr(minires, name) for name in ("cat", "no_grad", "save", "load")},
        nn=nn,
        F=F,
        optim=optim,
    )


def theirs():
    """PyTorch, under the same names."""
    return SimpleNamespace(
        t=lambda a, grad=False: torch.tensor(a, requires_grad=grad),
        labels=torch.as_tensor,
        array=lambda y: y.detach().numpy() if isinstance(y, torch.Tensor) else y,
        **{name: getattr(torch, name) for name in ("cat", "no_grad", "save", "load")},
        nn=torch.nn,
        F=torch.nn.functional,
        optim=torch.optim,
    )


def filled(model):
    """A model with weights that depend on their names and shapes alone."""
    for _, p in sorted(model.named_parameters()):
        values = np.random.default_rng(p.numel()).normal(size=tuple(p.shape)) / 4
        with_kind = values.astype(np.float32)
        p.data = with_kind if isinstance(p, Tensor) else torch.from_numpy(with_kind)
    return model


def small_net(lib):
    nn = lib.nn
    return filled(
        nn.Sequential(
            nn.Conv2d(3, 4, kernel_size=3, stride=1, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(p=0.0),
            nn.Linear(4, 2),
        )
    )


def steps(lib, make, scheduler=None, count=4):
    """The weights of a net after some training steps, and the rates that were used."""
    net, rates = small_net(lib), []
    optimizer = make(net.parameters())
    schedule = scheduler and scheduler(optimizer)
    loss_fn = lib.nn.CrossEntropyLoss()
    for _ in range(count):
        optimizer.zero_grad()
        loss = loss_fn(net(lib.t(MAPS)), lib.labels(FOUR))
        loss.backward()
        optimizer.step()
        if schedule:
            schedule.step()
            rates += schedule.get_last_lr()
    return net[7].weight, net[0].weight, np.array(rates), loss.item()


def a_net_of_ones_own(lib):
    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = lib.nn.ModuleList([lib.nn.Linear(4, 4) for _ in range(2)])
            self.head = lib.nn.Linear(in_features=4, out_features=4, bias=True)

        def forward(self, x):
            for layer in self.layers:
                x = lib.F.relu(layer(x)) + x
            return self.head(x)

    return filled(Net())


def gradient(lib, function, array=X):
    """The gradient of a sum."""
    x = lib.t(array, True)
    function(x).sum().backward()
    return x.grad


def accumulated(lib):
    x = lib.t(X, True)
    for _ in range(2):
        (x * x).sum().backward()
    return x.grad


def retained(lib):
    x = lib.t(X, True)
    h = x * 2
    h.retain_grad()
    (h * h).sum().backward()
    return h.grad


def hooked(lib):
    x = lib.t(X, True)
    h = x * x
    y = h * x
    handle = h.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: g * 10)
    h.register_hook(lambda g: g + 1)
    dropped = h.register_hook(lambda g: g * 100)
    dropped.remove()
    (y + h).sum().backward()
    handle.remove()
    return x.grad


def forward_hooked(lib):
    net, seen = small_net(lib), []
    handle = net[0].register_forward_hook(lambda m, inputs, y: seen.append(y.shape))
    other = net[3].register_forward_hook(lambda m, inputs, y: y * 2 + inputs[0].mean())
    y = net(lib.t(MAPS))
    handle.remove()
    net(lib.t(MAPS))
    other.remove()
    return y, [tuple(s) for s in seen], net(lib.t(MAPS))


def backward_hooked(lib):
    net, seen = a_net_of_ones_own(lib), []

    def hook(module, gx, gy):
        seen.append((lib.array(gx[0]), lib.array(gy[0])))
        return (gx[0] * 2,)

    net.layers[1].register_full_backward_hook(hook)
    net.layers[0].register_full_backward_hook(lambda m, gx, gy: seen.append((0, lib.array(gy[0]))))
    net(lib.t(X)).sum().backward()
    return (*seen[0], seen[1][1], net.layers[0].weight.grad)


def frozen(lib):
    net = a_net_of_ones_own(lib)
    for p in net.layers.parameters():
        p.requires_grad = False
    net(lib.t(X)).sum().backward()
    return net.head.weight.grad, net.layers[0].weight.grad is None


def without_recording(lib):
    @lib.no_grad()
    def evaluate(x):
        return x * 2

    with lib.no_grad():
        y = lib.t(X, True) * 2
    return y.requires_grad, evaluate(lib.t(X, True)).requires_grad


def saved(lib):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net"
        lib.save(small_net(lib).state_dict(), path)
        net = small_net(lib)
        net[7].weight.data *= 0
        net.load_state_dict(lib.load(path))
    return net[7].weight


def saved_run(lib):
    """The weights after a training that was saved with its optimiser and its scheduler, resumed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        for stop in (2, 4):
            net = small_net(lib)
            optimizer = lib.optim.Adam(net.parameters(), lr=0.1)
            scheduler = lib.optim.lr_scheduler.StepLR(optimizer, step_size=3)
            parts = {"model": net, "optimizer": optimizer, "scheduler": scheduler}
            start = 0
            if path.exists():
                saved = lib.load(path)
                for name, part in parts.items():
                    part.load_state_dict(saved[name])
                start = saved["epoch"]
            for _ in range(start, stop):
                optimizer.zero_grad()
                lib.nn.CrossEntropyLoss()(net(lib.t(MAPS)), lib.labels(FOUR)).backward()
                optimizer.step()
                scheduler.step()
            lib.save({n: p.state_dict() for n, p in parts.items()} | {"epoch": stop}, path)
    return net[7].weight, scheduler.get_last_lr()


def loaded_in_part(lib):
    net = small_net(lib)
    state = {k: v for k, v in net.state_dict().items() if not k.startswith("7.")}
    net.load_state_dict(state, strict=False)
    return net[0].weight


def evaluated(lib):
    net = small_net(lib)
    net(lib.t(MAPS))
    before = net.training
    net.eval()
    return before, net.training, net(lib.t(MAPS)), net[1].running_mean, net.train().training


def walked(lib):
    net, seen = a_net_of_ones_own(lib), []
    net.apply(lambda m: seen.append(type(m).__name__))
    children = [type(m).__name__ for m in net.children()]
    return seen, children, len(list(net.modules())), [n for n, _ in net.named_children()]


def unpacked(lib):
    a, b, c = lib.t(X)
    return a, b, c, [float(row.sum()) for row in lib.t(X)], len(lib.t(X))


def predicted(lib):
    _, found = lib.t(X).max(1)
    return found, float(np.mean(lib.array(found == lib.labels(LABELS))))


def as_keys(lib):
    a, b = lib.t(X), lib.t(X)
    return {a: 1, b: 2}[a], a in [a], len({a, b})


WORKS = {  # a habit, and what it computes
    # numbers
    "float(loss)": lambda lib: float(lib.t(X).sum()),
    "int(x.argmax())": lambda lib: int(lib.t(X).argmax()),
    "loss.item()": lambda lib: lib.t(X).sum().item(),
    'f"{loss:.4f}"': lambda lib: f"{lib.t(X).sum():.4f}",
    "if loss < best": lambda lib: bool(lib.t(X).sum() < 100) and bool(lib.t(X).sum() != 0),
    "x.detach().numpy()": lambda lib: lib.t(X, True).detach().numpy(),
    "np.asarray(x)": lambda lib: np.asarray(lib.t(X)),
    # sizes
    "x.size()": lambda lib: tuple(lib.t(X).size()),
    "x.size(0), x.size(dim=-1)": lambda lib: (lib.t(X).size(0), lib.t(X).size(dim=-1)),
    "x.numel()": lambda lib: lib.t(X).numel(),
    "x.shape[0], x.ndim, len(x)": lambda lib: (lib.t(X).shape[0], lib.t(X).ndim, len(lib.t(X))),
    # comparisons
    "x == y, x != 0": lambda lib: (lib.t(X) == lib.t(np.abs(X)), lib.t(X) != 0),
    "x < y, x <= y, x > 0, x >= 0": lambda lib: (
        *(lib.t(X) < lib.t(POSITIVE), lib.t(X) <= lib.t(X)),
        *(lib.t(X) > 0, lib.t(X) >= 0),
    ),
    "x[x > 0]": lambda lib: lib.t(X)[lib.t(X) > 0],
    "(logits.argmax(1) == y).sum()": lambda lib: int(
        (lib.t(X).argmax(1) == lib.labels(LABELS)).sum()
    ),
    "_, predicted = logits.max(1); np.mean(predicted == y)": predicted,
    "3.0 in x": lambda lib: (float(X[0, 0]) in lib.t(X), 77.0 in lib.t(X)),
    "{x: 1}[x], x in [x]": as_keys,
    # methods
    "x.view(x.size(0), -1)": lambda lib: lib.t(MAPS).view(4, -1),
    "x.view(-1), x.reshape((4, 3))": lambda lib: (lib.t(X).view(-1), lib.t(X).reshape((4, 3))),
    "x.flatten(start_dim=1)": lambda lib: lib.t(MAPS).flatten(start_dim=1),
    "x.transpose(0, 1), x.permute(2, 0, 1), x.T": lambda lib: (
        *(lib.t(SEQUENCES).transpose(0, 1), lib.t(SEQUENCES).permute(2, 0, 1)),
        lib.t(X).T,
    ),
    "x[:, None], x[0, 1:], x[[0, 2]]": lambda lib: (
        *(lib.t(X)[:, None], lib.t(X)[0, 1:]),
        lib.t(X)[[0, 2]],
    ),
    "x.abs(), abs(x)": lambda lib: (lib.t(X).abs(), gradient(lib, abs)),
    "x.sqrt()": lambda lib: (
        lib.t(POSITIVE).sqrt(),
        gradient(lib, lambda x: x.sqrt(), POSITIVE),
    ),
    "2 ** x": lambda lib: (2 ** lib.t(X), gradient(lib, lambda x: 2**x)),
    "x ** 2, 1 - x, 1 / x, -x": lambda lib: (
        *(lib.t(X) ** 2, 1 - lib.t(X)),
        *(1 / lib.t(X), -lib.t(X)),
    ),
    "x.exp(), x.log()": lambda lib: (lib.t(X).exp(), lib.t(POSITIVE).log()),
    "x.min(), x.max()": lambda lib: (lib.t(X).min(), gradient(lib, lambda x: x.max())),
    "x.max(dim=1, keepdim=True)": lambda lib: tuple(lib.t(X).max(dim=1, keepdim=True)),
    "x.min(1).values, .indices": lambda lib: (lib.t(X).min(1).values, lib.t(X).min(1).indices),
    "x.argmax(dim=1), x.argmin(dim=0)": lambda lib: (
        lib.t(X).argmax(dim=1),
        lib.t(X).argmin(dim=0),
    ),
    "x.sum(dim=(0, 1)), x.mean(dim=1, keepdim=True)": lambda lib: (
        lib.t(SEQUENCES).sum(dim=(0, 1)),
        lib.t(X).mean(dim=1, keepdim=True),
    ),
    "torch.cat([a, b], dim=1)": lambda lib: lib.cat([lib.t(X), lib.t(POSITIVE)], dim=1),
    "for row in x; a, b, c = x": unpacked,
    "matrix @ vector, vector @ vector": lambda lib: (
        *(lib.t(X) @ lib.t(V), lib.t(V) @ lib.t(V)),
        gradient(lib, lambda x: x @ lib.t(V)),
    ),
    "batch @ matrix": lambda lib: lib.t(SEQUENCES) @ lib.t(X.T),
    # functions
    "F.softmax(x, dim=1), x.softmax(-1)": lambda lib: (
        lib.F.softmax(lib.t(X), dim=1),
        lib.t(X).softmax(-1),
    ),
    "F.log_softmax(x, dim=0)": lambda lib: lib.F.log_softmax(lib.t(X), dim=0),
    "F.relu(x, inplace=False)": lambda lib: lib.F.relu(lib.t(X), inplace=False),
    "F.linear(sequences, w)": lambda lib: lib.F.linear(lib.t(SEQUENCES), lib.t(X), lib.t(X[:, 0])),
    "F.conv2d(input=x, weight=w, stride=2, padding=1)": lambda lib: lib.F.conv2d(
        input=lib.t(MAPS), weight=lib.t(KERNEL), stride=2, padding=1
    ),
    "F.max_pool2d(x, 2), F.avg_pool2d(x, 3, 2, 1)": lambda lib: (
        lib.F.max_pool2d(lib.t(MAPS), 2),
        lib.F.avg_pool2d(lib.t(MAPS), 3, 2, 1),
    ),
    "F.adaptive_avg_pool2d(x, (1, 1))": lambda lib: lib.F.adaptive_avg_pool2d(lib.t(MAPS), (1, 1)),
    "F.batch_norm(x, mean, var)": lambda lib: (
        lib.F.batch_norm(lib.t(X), lib.t(V), lib.t(WEIGHTS)),
        lib.F.batch_norm(lib.t(X), None, None, training=True),
    ),
    'F.pad(x, (1, 1, 2, 0), mode="constant", value=1.0)': lambda lib: lib.F.pad(
        lib.t(MAPS), (1, 1, 2, 0), mode="constant", value=1.0
    ),
    "F.dropout(x, p=0.5, training=False)": lambda lib: lib.F.dropout(lib.t(X), 0.5, False),
    "F.cross_entropy(logits, y)": lambda lib: lib.F.cross_entropy(lib.t(X), lib.labels(LABELS)),
    "F.cross_entropy(weight=w, ignore_index=0)": lambda lib: lib.F.cross_entropy(
        lib.t(X), lib.labels(LABELS), weight=lib.t(WEIGHTS), ignore_index=0
    ),
    'F.cross_entropy(reduction="none" | "sum")': lambda lib: [
        lib.F.cross_entropy(lib.t(X), lib.labels(LABELS), reduction=how) for how in ("none", "sum")
    ],
    "F.cross_entropy(label_smoothing=0.1, weight=w)": lambda lib: gradient(
        lib,
        lambda x: lib.F.cross_entropy(
            x, lib.labels(LABELS), weight=lib.t(WEIGHTS), label_smoothing=0.1
        ),
    ),
    # gradients
    "loss.backward() twice; x.grad": accumulated,
    "h.retain_grad()": retained,
    "x.register_hook(hook)": hooked,
    "with no_grad(): and @no_grad()": without_recording,
    "p.requires_grad = False": frozen,
    # layers
    "class Net(nn.Module) with an nn.ModuleList": lambda lib: a_net_of_ones_own(lib)(lib.t(X)),
    "nn.Sequential(nn.Conv2d(...), ..., nn.Flatten(), ...)": lambda lib: small_net(lib)(
        lib.t(MAPS)
    ),
    "nn.CrossEntropyLoss(weight, reduction=...)(logits, y)": lambda lib: lib.nn.CrossEntropyLoss(
        lib.t(WEIGHTS), reduction="sum"
    )(lib.t(X), lib.labels(LABELS)),
    "net.train(), net.eval()": evaluated,
    "sum(p.numel() for p in net.parameters())": lambda lib: sum(
        p.numel() for p in small_net(lib).parameters()
    ),
    "net.named_parameters()": lambda lib: [n for n, _ in a_net_of_ones_own(lib).named_parameters()],
    "net.children(), modules(), named_children(), apply(f)": walked,
    "module.register_forward_hook(hook)": forward_hooked,
    "module.register_full_backward_hook(hook)": backward_hooked,
    "net.state_dict() has the same names": lambda lib: [
        n for n in small_net(lib).state_dict() if "num_batches" not in n
    ],
    "save(net.state_dict(), path); load_state_dict(load(path))": saved,
    "load_state_dict(state, strict=False)": loaded_in_part,
    # optimisers
    "optim.SGD(net.parameters(), lr, momentum, weight_decay)": lambda lib: steps(
        lib,
        lambda ps: lib.optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=1e-2),
    ),
    "optim.Adam(net.parameters(), lr=1e-2)": lambda lib: steps(
        lib, lambda ps: lib.optim.Adam(ps, lr=1e-2, betas=(0.8, 0.99), weight_decay=1e-2)
    ),
    "save({'model': ..., 'optimizer': optimizer.state_dict(), 'epoch': 3}, path)": saved_run,
    "lr_scheduler.StepLR and MultiStepLR": lambda lib: [
        *steps(
            lib,
            lambda ps: lib.optim.SGD(ps, lr=0.1),
            lambda o: lib.optim.lr_scheduler.StepLR(o, step_size=2, gamma=0.5),
        ),
        *steps(
            lib,
            lambda ps: lib.optim.SGD(ps, lr=0.1),
            lambda o: lib.optim.lr_scheduler.MultiStepLR(o, milestones=[1, 3], gamma=0.1),
        ),
    ],
    "lr_scheduler.CosineAnnealingLR and LinearLR": lambda lib: [
        *steps(
            lib,
            lambda ps: lib.optim.SGD(ps, lr=0.1),
            lambda o: lib.optim.lr_scheduler.CosineAnnealingLR(o, T_max=3, eta_min=0.01),
            count=8,
        ),
        *steps(
            lib,
            lambda ps: lib.optim.SGD(ps, lr=0.1),
            lambda o: lib.optim.lr_scheduler.LinearLR(o, start_factor=0.5, total_iters=3),
        ),
    ],
}


class Listed(nn.Module):
    """Layers in a plain list."""

    def __init__(self):
        self.layers = [nn.Linear(4, 4)]


def imported(line):
    return lambda: exec(line)


NET = nn.Sequential(nn.Linear(4, 4))
NAMED = {  # a habit, what is done, and words of the sentence that answers it
    'x.to("cuda"), x.to("cpu")': (lambda: Tensor(X).to("cuda"), 'to("numpy") is the CPU'),
    'net.to("cuda:0")': (lambda: NET.to("cuda:0"), 'to("cupy") a GPU'),
    "x.cuda(), net.cpu()": (lambda: NET.cuda(), 'to("cupy") a GPU'),
    'torch.device("cuda")': (lambda: minires.device, 'to("cupy") a GPU'),
    "torch.tensor([1.0]), torch.zeros(2)": (lambda: minires.tensor, "minires.Tensor("),
    "torch.float32, x.float()": (lambda: Tensor(X).float(), 'x.to("float64")'),
    "x.unsqueeze(0), x.squeeze()": (lambda: Tensor(X).unsqueeze(0), "x[:, None]"),
    "x.clone(), x.contiguous()": (lambda: Tensor(X).clone(), ".detach()"),
    "x.add_(1), x.zero_()": (lambda: Tensor(X).add_(1), "x = x + y"),
    "F.conv2d(x, w, dilation=2)": (lambda: F.conv2d(MAPS, KERNEL, dilation=2), "only 1"),
    "nn.Conv2d(3, 6, 3, groups=3)": (lambda: nn.Conv2d(3, 6, 3, groups=3), "ResNeXt"),
    "F.max_pool2d(x, 2, ceil_mode=True)": (
        lambda: F.max_pool2d(MAPS, 2, ceil_mode=True),
        "pad the images",
    ),
    "F.avg_pool2d(x, 2, count_include_pad=False)": (
        lambda: F.avg_pool2d(MAPS, 2, count_include_pad=False),
        "zeros of the padding count",
    ),
    "from torch.utils.data import DataLoader": (
        imported("from minires.data import DataLoader"),
        "dataset.batches(64",
    ),
    "optim.AdamW(...), optim.RMSprop(...)": (lambda: optim.AdamW, "optim.SGD"),
    "lr_scheduler.OneCycleLR(...)": (lambda: optim.lr_scheduler.OneCycleLR, "optimiser.lr = "),
    "optimizer.param_groups[0]['lr']": (
        lambda: optim.SGD(NET.parameters(), 0.1).param_groups,
        "optimiser.lr",
    ),
    "torch.compile(net), torch.amp": (lambda: minires.compile(NET), "nothing is compiled"),
    "nn.LayerNorm(4), nn.GELU()": (lambda: nn.LayerNorm(4), "nn.BatchNorm2d"),
    "import torch.nn.functional as F": (imported("from minires.nn import functional"), "as F"),
    "net.register_buffer(...)": (lambda: NET.register_buffer("m", X), "self.mean = Tensor"),
    "layers in a plain list": (lambda: list(Listed().parameters()), "nn.ModuleList"),
}


def plain(lib, result):
    """A result as arrays, numbers and text."""
    if isinstance(result, tuple | list):
        return [plain(lib, part) for part in result]
    return np.asarray(lib.array(result)).tolist()


@needs_torch
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("habit", WORKS)
def test_a_habit_that_works_has_pytorchs_value(habit):
    got, expected = (plain(lib, WORKS[habit](lib)) for lib in (ours(), theirs()))
    same(got, expected)


def same(got, expected):
    if isinstance(expected, list):
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            same(a, b)
    elif isinstance(expected, float):
        assert got == pytest.approx(expected, rel=2e-4, abs=2e-5)
    else:
        assert got == expected
        assert type(got) is type(expected)


@pytest.mark.parametrize("habit", NAMED)
def test_a_habit_that_does_not_work_is_answered_by_one_sentence(habit):
    do, words = NAMED[habit]
    with pytest.raises((MiniresError, ImportError)) as answer:
        do()
    said = str(answer.value)
    assert words in said
    assert "\n" not in said
    assert len(said) < 250


def all_names():
    return [(of, name) for of, names in minires.pytorch.NAMES.items() for name in names]


def test_no_name_that_is_here_is_said_not_to_be():
    makers = {
        "Tensor": lambda: Tensor(X),
        "Module": lambda: NET,
        "Optimiser": lambda: optim.SGD(NET.parameters(), 0.1),
        "minires": lambda: minires,
        "minires.data": lambda: data,
    }
    for of, name in all_names():
        there = makers[of]() if of in makers else eval(of)
        assert not hasattr(there, name), f"{of}.{name}"
        with pytest.raises(AttributeError, match="is not here: "):
            getattr(there, name)


@needs_torch
def test_pytorchs_names_are_pytorchs():
    """A table of names that nobody could look for would be no help."""
    places = {
        "Tensor": [torch.Tensor],
        "Module": [torch.nn.Module],
        "Optimiser": [torch.optim.Optimizer([torch.zeros(1)], {})],
        "minires": [torch],
        "minires.data": [torch.utils.data],
        "minires.functional": [torch.nn.functional],
    }
    for of, name in all_names():
        where = places.get(of) or [eval(of.replace("minires", "torch"))]
        assert any(hasattr(place, name) for place in where), f"{of}.{name}"


def outcome(habit):
    """What becomes of a habit: it "works", is "named", or "fails"."""
    try:
        if habit in WORKS:
            test_a_habit_that_works_has_pytorchs_value(habit)
        else:
            test_a_habit_that_does_not_work_is_answered_by_one_sentence(habit)
    except BaseException:  # pytest's failures are none of Exception
        return "fails"
    return "works" if habit in WORKS else "named"


if __name__ == "__main__":
    outcomes = {habit: outcome(habit) for habit in (*WORKS, *NAMED)}
    for kind in ("works", "named", "fails"):
        habits = [habit for habit, became in outcomes.items() if became == kind]
        print(f"{kind}: {len(habits)}", *habits, sep="\n    ")
