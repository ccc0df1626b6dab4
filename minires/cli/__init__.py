"""The `minires` command: one file a subcommand."""

from . import degradation, flow, gradcheck, plot, step
from .app import app, main

__all__ = ["app", "degradation", "flow", "gradcheck", "main", "plot", "step"]
