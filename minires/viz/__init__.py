"""Pictures, and the live display of a run."""
