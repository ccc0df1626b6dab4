"""What the server of the laboratory answers: pages, and a websocket to the training.

Another page in the same browser can start nothing: every path begins with a random token, the
websocket asks for the origin of the page itself, other names of the host are turned away, and the
page's content security policy lets it load and run nothing but its own files. The token is new with
every start, on the same port as well: an address that was seen somewhere once, as in a history,
opens nothing later. So a page that outlived its server cannot go on with the next one; it says so,
and what is behind the "#" of its address opens its session there.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import FileResponse, HTMLResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from .. import pages
from .process import TrainingProcess

LARGEST = 16_384  # bytes of a command
_PAGES = 16  # open at once
_POLICY = "Content-Security-Policy"
_PAGE = Path(__file__).with_name("page")


class Headers:
    """Adds the headers of safety to every answer, but for those that it has."""

    def __init__(self, app: ASGIApp, host: str, frames: str) -> None:
        self._app = app
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self' ws://{host}; frame-src 'self'; base-uri 'none'; "
            f"form-action 'none'; frame-ancestors {frames}"
        )
        self._headers = {
            _POLICY: policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


def web_server(
    training: TrainingProcess, token: str, hosts: Sequence[str], frames: str
) -> uvicorn.Server:
    """Return the server of a laboratory, which is not running yet.

    Args:
        training: what its pages show.
        token: the first part of every path.
        hosts: names of this machine with the port, as in an address of a page.
        frames: which pages may show it in a frame, as a policy says it.
    """
    application = Starlette(
        routes=[Mount(f"/{token}", routes=_routes(training, hosts, frames))],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=[h.partition(":")[0] for h in hosts]),
            Middleware(Headers, host=hosts[0], frames=frames),
        ],
    )
    config = uvicorn.Config(
        application,
        ws="websockets-sansio",
        ws_max_size=LARGEST,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
        lifespan="off",
    )
    return uvicorn.Server(config)


def _routes(training: TrainingProcess, hosts: Sequence[str], frames: str) -> list[BaseRoute]:
    """Return what answers each path after the token; arguments as for `web_server`."""
    open_pages: set[int] = set()

    async def live(page: WebSocket) -> None:
        host = page.headers.get("host", "")
        if page.headers.get("origin") != f"http://{host}" or host not in hosts:
            await page.close(1008)
        elif len(open_pages) >= _PAGES:
            await page.accept()  # a page is told the code of an open connection alone
            await page.close(1013)
        else:
            open_pages.add(id(page))
            try:
                await _serve(page, training)
            finally:
                open_pages.discard(id(page))

    async def palette(_request: Any) -> FileResponse:
        return FileResponse(pages.PALETTE, media_type="text/css")

    async def shared(_request: Any) -> FileResponse:
        return FileResponse(pages.SHARED, media_type="text/javascript")

    async def walk(_request: Any) -> HTMLResponse:
        number, page = training.latest["W"]
        # Which scripts it runs the page itself says; where it may be shown, a header alone can say.
        around = "'self'" if frames == "'none'" else f"'self' {frames}"
        policy = f"frame-ancestors {around}"
        return HTMLResponse(page[1:], 200 if number else 404, {_POLICY: policy})

    return [
        WebSocketRoute("/live", live),
        Route("/palette.css", palette),
        Route("/shared.js", shared),
        Route("/walk", walk),
        Mount("/", StaticFiles(directory=_PAGE, html=True)),
    ]


async def _serve(page: WebSocket, training: TrainingProcess) -> None:
    """Send a page the newest messages, and take its commands, until it is closed."""
    await page.accept()
    news, loop = asyncio.Event(), asyncio.get_running_loop()
    training.on_message(id(page), lambda: loop.call_soon_threadsafe(news.set))

    async def tell() -> None:
        # A notice that another page was sent is no news, unless it is that the training has ended.
        sent = {"S": 0, "N": training.told if training.process.is_alive() else 0, "L": 0, "F": 0}
        while True:
            news.clear()
            for kind in sent:  # the scene first
                number, text = training.latest[kind]
                if sent[kind] != number:
                    sent[kind] = number
                    await page.send_text(text)
                    if kind == "N":
                        training.told = number
            await news.wait()

    news_teller = asyncio.create_task(tell())
    try:
        while True:
            text = await page.receive_text()
            await asyncio.to_thread(training.command, text)
    except (WebSocketDisconnect, OSError):
        pass
    finally:
        training.on_message(id(page), None)
        news_teller.cancel()
