"""Images of one's own: reading folders of them, fine-tuning, classifying."""

from .folders import ImageFolder, image_folder
from .pictures import Pictures

__all__ = ["ImageFolder", "Pictures", "image_folder"]
