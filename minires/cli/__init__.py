"""The `minires` command: one file a subcommand."""

from . import classify, degradation, finetune, gradcheck, plot, step, summary
from .app import app, main

__all__ = [
    "app",
    "classify",
    "degradation",
    "finetune",
    "gradcheck",
    "main",
    "plot",
    "step",
    "summary",
]
