"""Modules, layers, initial weights."""

from .init import he_normal, xavier_normal
from .layers import (
    BatchNorm2d,
    Conv2d,
    GlobalAvgPool2d,
    Identity,
    Linear,
    MaxPool2d,
    ReLU,
    Sequential,
    SyncBatchNorm2d,
)
from .module import Module, Parameter
from .report import LoadReport, Mismatch
