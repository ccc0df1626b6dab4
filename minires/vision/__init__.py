"""Images of one's own: reading folders of them, fine-tuning a model on them, classifying them."""

from .finetune import Finetune, FinetuneConfig
from .folder_images import FolderImages
from .folders import ImageFolder, image_folder
