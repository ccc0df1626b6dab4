"""Open the laboratory: for the command, and in a cell of a notebook."""

from pathlib import Path

from ..arguments import integer
from ..errors import RunError, UsageError
from ..text import html_text
from .address import parse_address
from .server import Served

_NOTEBOOKS = "http://localhost:* http://127.0.0.1:*"  # whose pages may show it in a frame


def open_lab(
    address: str = "",
    port: int = 0,
    data_dir: Path | None = None,
    folder: Path | None = None,
    frames: str = "'none'",
) -> Served:
    """Return a laboratory that trains already, and is to be served.

    Args:
        address: of the first session, see `parse_address`; a link may lead to a page without one.
        port: on this machine; 0 for any that is free.
        data_dir: the folder of CIFAR-10, or None.
        folder: of images, see `folder_dataset`; the first session is on it if there is no address.
        frames: which pages may show it in a frame, as a content security policy says it.

    Raises:
        UsageError: the address or the port is none, or the web server is not installed.
        UsageError, DataError: the folder cannot be used, see `folder_dataset`.
        RunError: the port cannot be used.
    """
    port = integer(port, "port", 0, 65_535)
    session = "" if "://" in address and "#" not in address else address
    if folder is not None:
        from .folder import listed  # what decodes images takes a while to import

        listed(folder)
        session = session or "dataset=folder"
    parse_address(session)  # an error here ends the call, not the training process
    try:
        return Served(session, port, data_dir, folder, frames)
    except ImportError as error:
        raise UsageError(
            f"minires lab needs a web server, which cannot be imported ({error}); "
            'pip install ".[lab]"'
        ) from error
    except OSError as error:
        raise RunError(f"port {port} cannot be used: {error.strerror or error}") from error


class Shown:
    """A laboratory in a cell of a notebook, served until `stop` or the end of the kernel.

    Attributes:
        url: its page.
    """

    def __init__(self, served: Served, height: int) -> None:
        self._served = served
        self._height = height
        self.url = served.url
        served.start()

    def stop(self) -> None:
        """End the training and its server."""
        self._served.stop()

    def _repr_html_(self) -> str:
        style = f"width:100%;height:{self._height}px;border:1px solid #ccc;border-radius:8px"
        return f'<iframe src="{html_text(self.url)}" style="{style}" title="minires lab"></iframe>'


def show(
    address: str = "",
    height: int = 900,
    data_dir: Path | None = None,
    folder: Path | None = None,
) -> Shown:
    """Show the laboratory in a cell of a notebook that runs on this machine.

    Args:
        address: of the first session, such as "net=plain20,plain56".
        height: of the cell, in pixels.
        data_dir: the folder of CIFAR-10, or None.
        folder: of images, or None; see `open_lab`.

    Raises:
        UsageError: the address is none, or the web server is not installed.
    """
    height = integer(height, "height", at_least=1)
    return Shown(open_lab(address, 0, data_dir, folder, _NOTEBOOKS), height)
