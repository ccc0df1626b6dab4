"""The `minires` command: one file a subcommand."""

from . import (
    convert,
    degradation,
    export,
    flow,
    gradcheck,
    landscape,
    memory,
    plot,
    step,
    summary,
)
from .app import app, main

__all__ = [
    "app",
    "convert",
    "degradation",
    "export",
    "flow",
    "gradcheck",
    "landscape",
    "main",
    "memory",
    "plot",
    "step",
    "summary",
]
