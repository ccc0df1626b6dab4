"""Weights in files: safetensors, PyTorch's own, ONNX. None of them can run code."""

from ..nn import LoadReport, Mismatch
from .loading import load_weights
from .onnx import export_onnx
from .saving import load, save, save_weights
