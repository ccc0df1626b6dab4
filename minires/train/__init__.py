"""Training: the recipe and the loop."""

from ..deprecated import keep_old_names
from .loop import Progress, Trainer
from .recipe import Recipe, paper_recipe, quick_recipe

__all__ = [
    "Progress",
    "Recipe",
    "Trainer",
    "paper_recipe",
    "quick_recipe",
]

keep_old_names(__name__)
