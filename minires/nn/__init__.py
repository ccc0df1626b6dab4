"""Modules, layers, initial weights, and weights files."""

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
)
from .module import Module, Parameter
from .onnx import export_onnx
from .weights import load_weights, save_weights

__all__ = [
    "BatchNorm2d",
    "Conv2d",
    "GlobalAvgPool2d",
    "Identity",
    "Linear",
    "MaxPool2d",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "export_onnx",
    "he_normal",
    "load_weights",
    "save_weights",
    "xavier_normal",
]
