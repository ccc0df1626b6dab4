"""The degradation experiment: plain nets against residual ones, trained to the end."""

from .config import Config
from .run import Degradation

__all__ = ["Config", "Degradation"]
