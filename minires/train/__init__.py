"""Training: the recipe and the loop."""

from .loop import Progress, Trainer
from .recipe import Recipe, paper_recipe, quick_recipe

__all__ = [
    "Progress",
    "Recipe",
    "Trainer",
    "paper_recipe",
    "quick_recipe",
]
