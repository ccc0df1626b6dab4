"""Gradient descent against PyTorch's, and learning rates as functions of the iteration."""

from fractions import Fraction

import numpy as np
import oracles
import pytest
from oracles import assert_same, needs_torch

import minires
from minires import Tensor, nn
from minires.errors import DTypeError, GraphError, ShapeError, StateDictError, UsageError
from minires.optim import SGD, Adam, ErrorWarmup, StepSchedule, lr_scheduler

SHAPES = [(3, 4), (5,), ()]


def parameters(dtype=np.float64):
    rng = np.random.default_rng(0)
    return [
        Tensor(np.asarray(rng.normal(size=s)).astype(dtype), requires_grad=True) for s in SHAPES
    ]


def gradients(step):
    rng = np.random.default_rng([step, 7])
    return [np.asarray(rng.normal(size=s)) for s in SHAPES]


@needs_torch
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 1e-2])
def test_sgd_is_pytorchs(momentum, weight_decay):
    ours = parameters()
    theirs = [oracles.to_torch(p.data).requires_grad_() for p in ours]
    settings = {"lr": 0.1, "momentum": momentum, "weight_decay": weight_decay}
    a, b = SGD(ours, **settings), oracles.torch.optim.SGD(theirs, **settings)
    for step in range(8):
        a.lr = b.param_groups[0]["lr"] = 0.1 if step < 4 else 0.01
        for p, q, g in zip(ours, theirs, gradients(step), strict=True):
            p.grad, q.grad = g.copy(), oracles.to_torch(g)
        a.step()
        b.step()
        assert_same([p.data for p in ours], [q.detach().numpy() for q in theirs])


@needs_torch
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weight_decay", [0.0, 1e-2])
def test_adam_is_pytorchs(dtype, weight_decay):
    ours = parameters(dtype)
    theirs = [oracles.to_torch(p.data).requires_grad_() for p in ours]
    settings = {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": weight_decay}
    a, b = Adam(ours, **settings), oracles.torch.optim.Adam(theirs, **settings)
    for step in range(8):
        a.lr = b.param_groups[0]["lr"] = 0.1 if step < 4 else 0.01
        for p, q, g in zip(ours, theirs, gradients(step), strict=True):
            p.grad, q.grad = g.astype(dtype), oracles.to_torch(g.astype(dtype))
        if step == 2:  # one that has no gradient takes no step
            ours[0].grad = theirs[0].grad = None
        a.step()
        b.step()
        rounding = 1e-5 if dtype == np.float32 else 1e-12
        assert_same([p.data for p in ours], [q.detach().numpy() for q in theirs], rounding)
    assert a.steps == [7, 8, 8]
    assert {p.dtype for p in ours} == {np.dtype(dtype)}


def test_adam_by_hand():
    """The first step is lr in the direction of the gradient, whatever its size."""
    p = Tensor(np.array([1.0, 1.0, 1.0]), requires_grad=True)
    adam = Adam([p], lr=0.5)
    p.grad = oracles.frozen(np.array([1000.0, -1e-3, 0.0]))
    adam.step()
    np.testing.assert_allclose(p.data, [0.5, 1.5, 1.0], rtol=1e-4)


def test_adam_says_that_it_has_written():
    p = Tensor(np.ones(2), requires_grad=True)
    y = (p * p).sum()
    p.grad = np.ones(2)
    Adam([p]).step()
    with pytest.raises(GraphError, match=r"Adam\.step has changed it in place"):
        y.backward()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"betas": (0.9, 1)}, r"betas\[1\] must be below 1"),
        ({"betas": (-0.1, 0.9)}, r"betas\[0\] must be between 0 and 1"),
        ({"betas": 0.9}, "betas must be two numbers"),
        ({"eps": 0}, "eps must be a number above 0"),
        ({"lr": float("nan")}, "lr must be a number of at least 0"),
        ({"weight_decay": -1}, "weight_decay must be a number of at least 0"),
        ({"amsgrad": True}, "amsgrad=True is not here"),
    ],
)
def test_what_adam_cannot_be_set_to_raises(settings, said):
    with pytest.raises(UsageError, match=said):
        Adam([leaf()], **settings)


OPTIMISERS = {
    "SGD": lambda ps: SGD(ps, lr=0.1, momentum=0.9, weight_decay=1e-2),
    "Adam": lambda ps: Adam(ps, lr=0.1, betas=(0.8, 0.99)),
}


def steps(optimiser, scheduler, numbers):
    for step in numbers:
        for p, g in zip(optimiser.parameters, gradients(step), strict=True):
            p.grad = g.astype(p.dtype)
        if step == 0:
            optimiser.parameters[1].grad = None
        optimiser.step()
        scheduler.step()


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_run_that_is_saved_and_loaded_goes_on_to_the_same_bits(name, tmp_path):
    through, stopped, fresh = parameters(), parameters(), parameters()
    whole, first = OPTIMISERS[name](through), OPTIMISERS[name](stopped)
    schedulers = [lr_scheduler.StepLR(o, step_size=2) for o in (whole, first)]
    steps(whole, schedulers[0], range(8))
    steps(first, schedulers[1], range(5))
    state = {"optimizer": first.state_dict(), "scheduler": schedulers[1].state_dict()}
    minires.save(state, tmp_path / "run")
    steps(first, schedulers[1], range(5, 8))  # what was saved are copies

    loaded = minires.load(tmp_path / "run")
    second = type(first)(fresh, lr=0.5)
    second.load_state_dict(loaded["optimizer"])
    scheduler = lr_scheduler.StepLR(second, step_size=2)  # of the lr at the stop
    scheduler.load_state_dict(loaded["scheduler"])
    fresh_state = parameters()
    halfway = OPTIMISERS[name](fresh_state)
    steps(halfway, lr_scheduler.StepLR(halfway, step_size=2), range(5))
    for p, q in zip(fresh, fresh_state, strict=True):
        p.data[...] = q.data
    steps(second, scheduler, range(5, 8))
    assert second.state_dict().keys() == whole.state_dict().keys()
    for key, value in whole.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[key], value)
    for p, q in zip(through, fresh, strict=True):
        np.testing.assert_array_equal(q.data, p.data)


def changed(**entries):
    return lambda state: state | {key.replace("_0", ".0"): v for key, v in entries.items()}


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda _: 3, StateDictError, r"got 3; expected what state_dict\(\) returns"),
        (
            lambda _: {"state": {}, "param_groups": []},
            StateDictError,
            "has no 'betas'; expected lr",
        ),
        (lambda _: SGD(parameters(), 0.1).state_dict(), StateDictError, "has no 'betas'"),
        (changed(nesterov=True), StateDictError, "has an unknown 'nesterov'"),
        (
            lambda _: Adam([leaf()]).state_dict(),
            StateDictError,
            "Adam has 3 parameters, the state is of 1",
        ),
        (changed(mean_0=np.ones(3)), StateDictError, r"shape \(3,\).* as mean\.0, expected.*3, 4"),
        (changed(mean_0=np.full((3, 4), "a")), StateDictError, "expected numbers"),
        (changed(mean_0=1.0), StateDictError, r"got 1\.0 as mean\.0"),
        (changed(lr=-1), UsageError, "lr must be a number of at least 0"),
        (changed(betas=[0.9, 1]), UsageError, r"betas\[1\] must be below 1"),
        (changed(steps=[1]), UsageError, "steps must be 3 integers"),
        (changed(steps=[1, 2, -3]), UsageError, "steps must be at least 0"),
    ],
)
def test_a_state_that_does_not_fit_raises_before_anything_is_changed(change, error, said):
    adam = Adam(parameters(), lr=0.1)
    other = Adam(parameters(), lr=0.2)
    steps(other, lr_scheduler.StepLR(other, 9), range(2))
    before = adam.state_dict()
    with pytest.raises(error, match=said):
        adam.load_state_dict(change(other.state_dict()))
    for key, value in adam.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


def test_a_state_keeps_the_dtype_of_the_parameters():
    adam = Adam(parameters(np.float32))
    adam.load_state_dict(Adam(parameters(np.float64)).state_dict())
    assert {a.dtype for a in (*adam.means, *adam.squares)} == {np.dtype(np.float32)}


def test_a_scheduler_loads_its_own_state_alone():
    scheduler = lr_scheduler.StepLR(SGD([leaf()], 0.1), 2)
    for wrong in ({}, 3, {"last_epoch": 3}):
        with pytest.raises(StateDictError, match="expected 'base_lr' and 'last_epoch'"):
            scheduler.load_state_dict(wrong)
    with pytest.raises(UsageError, match="last_epoch must be an integer"):
        scheduler.load_state_dict({"base_lr": 0.1, "last_epoch": "3"})


@needs_torch
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("StepLR", {"step_size": 3, "gamma": 0.5}),
        ("MultiStepLR", {"milestones": [2, 5]}),
        ("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.01}),
        ("LinearLR", {"start_factor": 0.1, "end_factor": 0.5, "total_iters": 4}),
    ],
)
def test_a_scheduler_is_pytorchs(name, settings):
    sgd, theirs = SGD([leaf()], 0.2), oracles.torch.optim.SGD([oracles.to_torch(np.ones(1))], 0.2)
    ours = getattr(lr_scheduler, name)(sgd, **settings)
    other = getattr(oracles.torch.optim.lr_scheduler, name)(theirs, **settings)
    for _ in range(11):
        assert ours.get_last_lr() == [sgd.lr] == pytest.approx([theirs.param_groups[0]["lr"]])
        ours.step()
        theirs.step()
        other.step()


def test_a_scheduler_of_no_optimiser_raises():
    with pytest.raises(UsageError, match=r"a scheduler takes an optimiser, got 0\.1"):
        lr_scheduler.StepLR(0.1, 3)


def test_sgd_by_hand():
    """Without PyTorch: the velocity does not hold the rate, so a new rate acts at once."""
    p = Tensor(np.array([1.0]), requires_grad=True)
    sgd = SGD([p], lr=0.5, momentum=0.5, weight_decay=0.25)
    p.grad = np.array([2.0])
    sgd.step()  # v = 2 + 0.25, w = 1 − 0.5 · 2.25
    assert p.data.tolist() == [-0.125]
    sgd.lr = 2.0
    sgd.step()  # v = 0.5 · 2.25 + 2 − 0.25 · 0.125, w = −0.125 − 2 v
    assert p.data.tolist() == [-0.125 - 2 * 3.09375]


def test_sgd_changes_parameters_in_place_and_gradients_not_at_all():
    ps = parameters()
    arrays = [p.data for p in ps]
    for p, g in zip(ps, gradients(0), strict=True):
        p.grad = oracles.frozen(g)
    SGD(ps, 0.1, 0.9, 1e-4).step()
    assert all(p.data is a for p, a in zip(ps, arrays, strict=True))
    assert_same([p.grad for p in ps], gradients(0), 0)


def test_sgd_keeps_float32():
    ps = parameters(np.float32)
    sgd = SGD(ps, np.float64(0.1), 0.9, 1e-4)
    for p, g in zip(ps, gradients(0), strict=True):
        p.grad = g.astype(np.float32)
    sgd.step()
    assert {p.dtype for p in ps} == {v.dtype for v in sgd.velocities} == {np.dtype(np.float32)}


def test_sgd_passes_over_parameters_without_a_gradient():
    a, b = parameters()[:2]
    before = b.data.copy()
    sgd = SGD(iter([a, b]), 0.1, 0.9, weight_decay=1.0)
    a.grad = np.ones(a.shape)
    sgd.step()
    assert (b.data == before).all()
    sgd.zero_grad()
    assert a.grad is None


def test_a_velocity_without_momentum_is_forgotten():
    p = Tensor(np.ones(2), requires_grad=True)
    sgd = SGD([p], lr=0.0)
    with np.errstate(invalid="ignore"):
        for g in ([np.inf, 1], [np.nan, 2], [3, 4]):
            p.data, p.grad = np.ones(2), np.array(g, np.float64)
            sgd.step()
    assert sgd.velocities[0].tolist() == [3, 4]
    assert p.data.tolist() == [1, 1]


def test_an_infinite_parameter_without_decay_reaches_no_velocity():
    p = Tensor(np.array([np.inf, 1.0]), requires_grad=True)
    sgd = SGD([p], lr=1.0, momentum=0.5)
    p.grad = np.ones(2)
    sgd.step()
    assert sgd.velocities[0].tolist() == [1, 1]
    assert p.data.tolist() == [np.inf, 0]


def leaf():
    return Tensor(np.ones(2), requires_grad=True)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (lambda: leaf(), "Tensor"),
        (lambda: [leaf()] * 2, "a parameter twice"),
        (lambda: [leaf() * 2.0], "a tensor that Mul made"),
        (lambda: [np.ones(2)], "ndarray as a parameter"),
        (lambda: nn.Linear(2, 2), "Linear"),
        (lambda: nn.Sequential(nn.Linear(2, 2)), "Linear as a parameter"),
        (lambda: nn.Linear(2, 2).named_parameters(), "tuple as a parameter"),
        (lambda: nn.Linear(2, 2).state_dict(), "str as a parameter"),
        (lambda: [None], "NoneType as a parameter"),
        (lambda: None, "NoneType"),
        (lambda: "weights", "str as a parameter"),
        (list, "no parameters"),
        (lambda: nn.ReLU().parameters(), "no parameters"),
    ],
)
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_what_an_optimiser_cannot_train_raises(kind, parameters, said):
    with pytest.raises(UsageError, match=f"{kind.__name__} got {said}.*expected leaf tensors"):
        kind(parameters(), 0.1)


def test_a_parameter_of_two_modules_is_trained_once():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert len(SGD(net.parameters(), 0.1).parameters) == 3


NO_RATES = [
    *(-1, -1e-9, float("nan"), float("inf"), True, 1j, Fraction(1, 8), "0.1", None),
    *([0.1], np.array([0.1]), np.float32(-1), np.bool_(True)),
]


@pytest.mark.parametrize("value", NO_RATES)
@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
def test_rates_are_numbers_of_at_least_0(name, value):
    with pytest.raises(UsageError, match=f"{name} must be a number of at least 0, got"):
        SGD([leaf()], **{"lr": 0.1, name: value})
    p = leaf()
    sgd = SGD([p], lr=0.1)
    setattr(sgd, name, value)
    p.grad = np.ones(2)
    with pytest.raises(UsageError, match=f"{name} must be a number of at least 0, got"):
        sgd.step()
    assert p.data.tolist() == [1, 1]


@pytest.mark.parametrize("value", NO_RATES)
@pytest.mark.parametrize(
    ("name", "schedule"),
    [
        ("lr", StepSchedule),
        ("factor", lambda value: StepSchedule(0.1, factor=value)),
        ("lr", ErrorWarmup),
        ("low", lambda value: ErrorWarmup(0.1, low=value)),
    ],
)
def test_so_are_those_of_a_schedule(name, schedule, value):
    with pytest.raises(UsageError, match=f"{name} must be a number of at least 0, got"):
        schedule(value)


@pytest.mark.parametrize("value", [0, 1, np.float32(0.1), np.int64(1)])
def test_whatever_is_a_number_is_a_rate(value):
    p = leaf()
    sgd = SGD([p], lr=value)
    p.grad = np.ones(2)
    sgd.step()
    np.testing.assert_allclose(p.data, 1 - float(value))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda p: setattr(p, "grad", np.ones(2, np.float32)), DTypeError),
        (lambda p: setattr(p, "grad", np.ones((1, 2))), ShapeError),
        (lambda p: setattr(p, "grad", np.float64(1)), DTypeError),
        (lambda p: setattr(p, "grad", [1.0, 1.0]), DTypeError),
        (lambda p: setattr(p, "data", np.ones(2, np.float32)), DTypeError),
        (lambda p: setattr(p, "data", np.ones((2, 2))), ShapeError),
    ],
)
def test_a_step_with_arrays_of_two_kinds_raises_before_anything_is_changed(change, error):
    first, p = leaf(), leaf()
    sgd = SGD([first, p], lr=0.1)
    first.grad, p.grad = np.ones(2), np.ones(2)
    change(p)
    with pytest.raises(error, match="SGD got a"):
        sgd.step()
    assert first.data.tolist() == [1, 1]
    assert (p.data == 1).all()


# --- schedules ----------------------------------------------------------------------------


def test_steps():
    schedule = StepSchedule(0.1, milestones=(3, 5))
    rates = [schedule(i) for i in range(7)]
    assert rates == pytest.approx([0.1] * 3 + [0.01] * 2 + [0.001] * 2)
    assert [StepSchedule(2.0, [1], factor=0.5)(i) for i in range(3)] == [2, 1, 1]
    assert StepSchedule(0.1)(10**9) == 0.1


def test_the_papers_schedule():
    """0.1, divided by 10 at 32k and 48k iterations (section 4.2)."""
    schedule = StepSchedule(0.1, (32_000, 48_000))
    at = [0, 31_999, 32_000, 47_999, 48_000, 63_999]
    assert [schedule(i) for i in at] == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_a_warmup_rises_in_equal_steps():
    schedule = StepSchedule(0.8, milestones=(6,), warmup=4)
    assert [schedule(i) for i in range(8)] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.08, 0.08]
    )


def test_a_step_schedule_has_nothing_to_remember():
    schedule = StepSchedule(0.1, (2,))
    schedule.observe(50.0)
    assert schedule.state_dict() == {}
    schedule.load_state_dict({})
    assert schedule(0) == 0.1


def test_error_warmup_waits_for_the_error_to_fall():
    schedule = ErrorWarmup(0.1, milestones=(100,), low=0.01, until=80.0, window=3)
    seen = []
    for iteration, error in enumerate([90, 70, 85, 84, 70, 95, 99]):
        seen.append(schedule(iteration))
        schedule.observe(error)
    # The means of three are 81.7, 79.7, ...: from the fifth iteration on the rate is full.
    assert seen == [0.01] * 4 + [0.1] * 3
    assert schedule(100) == pytest.approx(0.01), "the milestones of the schedule hold"


def test_error_warmup_needs_a_full_window():
    schedule = ErrorWarmup(0.1, window=3)
    for _ in range(2):
        schedule.observe(0.0)
    assert schedule(2) == 0.01
    schedule.observe(0.0)
    assert schedule(3) == 0.1


@pytest.mark.parametrize("window", [1, 2, 5])
def test_error_warmup_looks_at_the_last_errors_only(window):
    schedule = ErrorWarmup(0.1, window=window)
    for _ in range(20):
        schedule.observe(100.0)
        assert schedule(0) == 0.01
    for _ in range(window):
        assert schedule(0) == 0.01
        schedule.observe(79.0)
    assert schedule(0) == 0.1
    assert len(schedule.state_dict()["errors"]) == window


def test_the_mean_must_fall_below_and_not_only_to_the_bound():
    schedule = ErrorWarmup(0.1, until=80.0, window=2)
    for error in (80.0, 80.0):
        schedule.observe(error)
    assert schedule(0) == 0.01
    schedule.observe(79.0)
    assert schedule(0) == 0.1


def test_once_warm_it_stays_warm():
    schedule = ErrorWarmup(0.1, window=1)
    schedule.observe(10.0)
    schedule.observe(100.0)
    assert schedule(0) == 0.1


@pytest.mark.parametrize("stop", range(7))
def test_error_warmup_is_resumed_where_it_was(stop):
    import json

    errors = [90.0, 70.0, 85.0, 84.0, 70.0, 95.0, 99.0]
    whole, first, second = (ErrorWarmup(0.1, window=3) for _ in range(3))
    for error in errors[:stop]:
        whole.observe(error)
        first.observe(error)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for error in errors[stop:]:
        assert whole(0) == second(0)
        whole.observe(error)
        second.observe(error)
    assert whole(0) == second(0)
    assert whole.state_dict() == second.state_dict()
