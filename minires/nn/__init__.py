"""Modules, layers, initial weights."""

from .containers import ModuleList, Sequential
from .init import he_normal, xavier_normal
from .layers import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    CrossEntropyLoss,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Identity,
    Linear,
    MaxPool2d,
    ReLU,
)
from .module import Module, Parameter
from .report import LoadReport, Mismatch
