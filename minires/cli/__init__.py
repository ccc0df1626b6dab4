"""The `minires` command: one module a subcommand, and what they share."""

from . import (
    classify,
    convert,
    degradation,
    export,
    finetune,
    flow,
    gradcheck,
    lab,
    landscape,
    memory,
    plot,
    step,
    summary,
)
from .app import app, main
