"""Optimisers, and learning rates as functions of the iteration."""

from . import lr_scheduler
from .adam import Adam
from .schedules import ErrorWarmup, StepSchedule
from .sgd import SGD
