"""The address of a session: its settings and its surgery as one text, the part after "#".

    net=plain20,plain56&lr=0.1,0.01&seed=3&at=120:1:shortcut:layer1.0:1

A setting of the nets has two values, or one for both; what is left out has its default.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any, get_type_hints
from urllib.parse import parse_qsl, urlencode

from ..arguments import shown
from ..errors import UsageError
from .config import LabConfig, NetConfig
from .surgery import Surgery

MOST = 8000  # characters
_DEFAULT = LabConfig()
_SHARED = ("dataset", "images", "batch", "seed", "guide")
_OF_A_NET = tuple(field.name for field in fields(NetConfig))
_FLAGS = {"1": True, "0": False}


def format_address(config: LabConfig, surgeries: Sequence[Surgery] = ()) -> str:
    """Return the address of a session; `parse_address` reads it."""
    parts: list[tuple[str, str]] = []
    for name in _OF_A_NET:
        values = [getattr(net, name) for net in config.nets]
        if values != [getattr(net, name) for net in _DEFAULT.nets]:
            parts.append((name, ",".join(map(_text, values))))
    for name in _SHARED:
        if getattr(config, name) != getattr(_DEFAULT, name):
            parts.append((name, _text(getattr(config, name))))
    parts += [("at", str(surgery)) for surgery in surgeries]
    return urlencode(parts, safe=",:")


def parse_address(text: str) -> tuple[LabConfig, tuple[Surgery, ...]]:
    """Return the settings and the surgeries of an address, which may begin at its "#" or before.

    Raises:
        UsageError: it is too long, or has a name or a value that is none of those possible.
    """
    if not isinstance(text, str) or len(text) > MOST:
        raise UsageError(f"an address is a text of at most {MOST:,} characters, got {shown(text)}")
    before, mark, after = text.partition("#")
    pairs = parse_qsl(after if mark else before, keep_blank_values=True)
    nets: list[dict[str, Any]] = [asdict(net) for net in _DEFAULT.nets]
    shared: dict[str, Any] = {}
    surgeries = []
    for name, value in pairs:
        if name == "at":
            surgeries.append(Surgery.parse(value))
        elif name in _OF_A_NET:
            left, comma, right = value.partition(",")
            nets[0][name] = _value(NetConfig, name, left)
            nets[1][name] = _value(NetConfig, name, right if comma else left)
        elif name in _SHARED:
            shared[name] = _value(LabConfig, name, value)
        else:
            known = ", ".join((*_OF_A_NET, *_SHARED, "at"))
            raise UsageError(f"an address has {known}; got {shown(name)}")
    left_net, right_net = (NetConfig(**net) for net in nets)
    config = LabConfig((left_net, right_net), **shared)
    return config, tuple(sorted(surgeries, key=lambda surgery: surgery.step))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _value(config_class: type, name: str, text: str) -> Any:
    """Return the value of a field in a text."""
    kind = get_type_hints(config_class)[name]
    try:
        if kind is bool:
            return _FLAGS[text]
        return kind(text) if kind in (int, float) else text
    except (ValueError, KeyError):
        raise UsageError(f"{name} got {shown(text)} in an address") from None
