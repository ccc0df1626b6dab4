"""A laboratory that is being served, on the loopback alone: its training process and its server."""

import secrets
import socket
import threading
import webbrowser
from pathlib import Path

from .process import TrainingProcess

_HOSTS = "127.0.0.1", "localhost"


class Served:
    """A laboratory that is being served: its training, its server and its address.

    Args:
        address: of the first session.
        port: 0 for any that is free.
        data_dir: the folder of CIFAR-10, or None.
        folder: of images, or None; a page chooses whether it is used, and never which.
        frames: see `web_server`.

    Raises:
        OSError: the port is taken.
        ImportError: the web server is not installed.
    """

    def __init__(
        self,
        address: str = "",
        port: int = 0,
        data_dir: Path | None = None,
        folder: Path | None = None,
        frames: str = "'none'",
    ) -> None:
        self._socket = socket.create_server((_HOSTS[0], port), backlog=64)
        hosts = [f"{host}:{self._socket.getsockname()[1]}" for host in _HOSTS]
        self.training = TrainingProcess(address, data_dir, folder)
        token = secrets.token_urlsafe(16)
        self.url = f"http://{hosts[0]}/{token}/"
        try:
            from .web import web_server  # last, as the training process starts in the meantime
        except ImportError:
            self.close()
            raise
        self.server = web_server(self.training, token, hosts, frames)

    def run(self, show: bool) -> None:
        """Serve until Ctrl-C; open the page in a browser if `show`."""
        if show:
            threading.Thread(target=webbrowser.open, args=(self.url,), daemon=True).start()
        try:
            self.server.run(sockets=[self._socket])
        except KeyboardInterrupt:  # uvicorn raises the signal again once it has ended
            pass
        finally:
            self.close()

    def start(self) -> None:
        """Serve in a thread, until `stop`."""
        self._thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End what `start` began."""
        self.server.should_exit = True
        self._thread.join()
        self.close()

    def close(self) -> None:
        """End the training and free the port."""
        self.training.close()
        self._socket.close()
