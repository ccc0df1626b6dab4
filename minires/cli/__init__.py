"""The `minires` command: one file a subcommand."""

from . import degradation, flow, gradcheck, landscape, memory, plot, step, summary
from .app import app, main

__all__ = [
    "app",
    "degradation",
    "flow",
    "gradcheck",
    "landscape",
    "main",
    "memory",
    "plot",
    "step",
    "summary",
]
