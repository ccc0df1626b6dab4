"""Fine-tune a model on a folder of images."""

from .config import FinetuneConfig
from .run import Finetune
