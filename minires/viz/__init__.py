"""The style and fonts of figures, the progress of a run, and teaching figures."""
