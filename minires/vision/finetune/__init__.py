"""Fine-tuning a net on a folder of pictures."""

from .config import FinetuneConfig
from .run import Finetune

__all__ = ["Finetune", "FinetuneConfig"]
