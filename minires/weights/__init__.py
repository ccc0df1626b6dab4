"""Weights in files: safetensors, PyTorch's own, ONNX. None of them can run code."""

from .loading import load_weights, save_weights
from .onnx import export_onnx

__all__ = ["export_onnx", "load_weights", "save_weights"]
