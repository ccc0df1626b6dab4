"""The degradation experiment: plain nets against residual ones, trained to the end."""

from .comparison import compare, finding
from .config import NETS, Config
from .run import Degradation
from .trained import config_of, data_of, trained_model, weights_path
