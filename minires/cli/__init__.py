"""The `minires` command: one file a subcommand."""

from . import convert, degradation, export, gradcheck, plot, step, summary
from .app import app, main

__all__ = [
    "app",
    "convert",
    "degradation",
    "export",
    "gradcheck",
    "main",
    "plot",
    "step",
    "summary",
]
