"""Weights in files: safetensors, PyTorch's own, ONNX. None of them can run code."""

from ..nn import LoadReport, Mismatch
from .loading import load, load_weights, save, save_weights
from .onnx import export_onnx
