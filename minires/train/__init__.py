"""Training: the recipe, the loop, and the state that a checkpoint holds."""

from ..deprecated import keep_old_names
from .loop import Trainer
from .progress import Progress, Row
from .recipe import Recipe, paper_recipe, quick_recipe
from .state import restore_training, training_state

keep_old_names(__name__)
