"""The `minires` command: one module a subcommand, and what they share."""

import sys
from importlib import import_module

from .app import app, main

_COMMANDS = (
    "classify",
    "convert",
    "degradation",
    "export",
    "finetune",
    "flow",
    "gradcheck",
    "lab",
    "landscape",
    "memory",
    "plot",
    "step",
    "summary",
)

# A command that is asked for is imported alone: to import all takes most of a second.
for _name in [name for name in _COMMANDS if [name] == sys.argv[1:2]] or _COMMANDS:
    import_module(f".{_name}", __name__)
