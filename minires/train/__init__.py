"""Training: the recipe, the loop, its history, and the folder a run lives in."""

from .history import Row, read_history, write_history
from .loop import Progress, Trainer
from .recipe import Recipe, paper_recipe, quick_recipe
from .run_folder import RunFolder

__all__ = [
    "Progress",
    "Recipe",
    "Row",
    "RunFolder",
    "Trainer",
    "paper_recipe",
    "quick_recipe",
    "read_history",
    "write_history",
]
