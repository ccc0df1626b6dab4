from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from minires.errors import RunError, UsageError
from minires.runs.config import check_least, check_same_options, parse_config

OUT = Path("run")


@dataclass(frozen=True)
class Config:
    nets: tuple[str, ...] = ("a", "b")
    epochs: int | None = None
    lr: float = 0.1
    tf32: bool = False


VALUES = {"nets": ["a", "b"], "epochs": None, "lr": 0.1, "tf32": False}


def test_a_configuration_is_read_back_and_other_names_ignored():
    assert parse_config(Config, {**VALUES, "data_sha256": "0"}, OUT) == Config()
    assert asdict(parse_config(Config, {**VALUES, "epochs": 3}, OUT))["epochs"] == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("nets", 5), ("nets", ["a", 5]), ("nets", None), ("epochs", "3"), ("epochs", True)),
        *(("epochs", 1.5), ("lr", 1), ("lr", None), ("tf32", 0), ("tf32", None)),
    ],
)
def test_a_value_of_another_type_raises(name, value):
    with pytest.raises(RunError, match="the run in run is of another experiment, or was altered"):
        parse_config(Config, {**VALUES, name: value}, OUT)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("epochs", 2**63, f"epochs is {2**63}, expected a finite number of 64 bits"),
        ("epochs", 10**400, r"epochs is 10+\.\.\.0+"),
        ("lr", float("nan"), "lr is nan, expected a finite number"),
        ("lr", float("inf"), "lr is inf, expected a finite number"),
        ("nets", "ab", "nets is 'ab', expected a list"),
        ("nets", ["x" * 400, 5], "nets is 5, expected a text"),
        ("tf32", [[[[[[[[[9]]]]]]]]], r"tf32 is \[+\.\.\.\]+, expected true or false"),
        ("epochs", "9" * 400, r"epochs is '9{12}\.\.\.9{13}', expected an integer or null"),
    ],
)
def test_the_field_is_named_shortly(name, value, reason):
    with pytest.raises(RunError, match=reason) as found:
        parse_config(Config, {**VALUES, name: value}, OUT)
    assert len(str(found.value)) < 300


@pytest.mark.parametrize("name", VALUES)
def test_a_missing_value_raises(name):
    values = {key: value for key, value in VALUES.items() if key != name}
    with pytest.raises(RunError, match=f"was altered: '{name}'"):
        parse_config(Config, values, OUT)


def test_an_option_that_differs_raises():
    check_same_options(Config(), {"lr": 0.1, "nets": ("a", "b")}, OUT)
    with pytest.raises(UsageError, match="in run has nets = a,b, but a was asked for; leave"):
        check_same_options(Config(), {"lr": 0.1, "nets": ("a",)}, OUT)


def test_a_value_below_its_least_raises_and_none_does_not():
    check_least(Config(), epochs=1)
    check_least(Config(epochs=3), epochs=3, lr=0)
    with pytest.raises(UsageError, match=r"^epochs must be at least 4, got 3$"):
        check_least(Config(epochs=3), lr=0, epochs=4)
