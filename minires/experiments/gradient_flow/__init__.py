"""Gradient flow, measured: what reaches which layer, and what harms it."""

from .run import FlowConfig, FlowRun

__all__ = ["FlowConfig", "FlowRun"]
