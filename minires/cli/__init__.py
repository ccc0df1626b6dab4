"""The `minires` command: one file a subcommand."""

from . import degradation, gradcheck, landscape, plot, step
from .app import app, main

__all__ = ["app", "degradation", "gradcheck", "landscape", "main", "plot", "step"]
