"""The loss around a trained net (Li et al. 2018)."""

from .config import LandscapeConfig
from .run import Landscape
