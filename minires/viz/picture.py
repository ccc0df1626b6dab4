"""A figure as the bytes of a picture file."""

import io
from typing import Any


def picture(figure: Any, form: str) -> bytes:
    """A Matplotlib figure as "png", "svg" or "pdf"."""
    file = io.BytesIO()
    figure.savefig(file, format=form)
    return file.getvalue()
