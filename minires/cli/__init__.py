"""The `minires` command: one file a subcommand."""

from . import degradation, gradcheck, memory, plot, step, summary
from .app import app, main

__all__ = ["app", "degradation", "gradcheck", "main", "memory", "plot", "step", "summary"]
