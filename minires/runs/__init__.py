"""What a run leaves on disk: its folder, configuration, checkpoints and history."""

from .folder import RunFolder, run_of
from .history import read_history, write_history
