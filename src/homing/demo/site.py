"""The page at ``/demo/``: its files, what its buttons ask for, and the live picture as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from homing.model.problems import Refused

from .calls import CallFailed
from .cast import BRANDS, PEOPLE
from .orders import BadOrder, Order, obey
from .phone import CannotDoThat
from .stage import Stage
from .story import Story
from .words import MAX_TEXT_CHARS, Letter

KEEP_ALIVE_SECONDS: Final = 15.0
LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
SETTLE_SECONDS: Final = 0.03  # changes come in bursts: one picture for all of them
MAX_WATCHERS: Final = 32
MAX_BODY_BYTES: Final = 16 * 1024
STORY_PAUSE_SECONDS: Final = 1.1

_TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FILES: Final = ("demo.css", "demo.js", "dom.js", "panels.js", "phone.js", "words.js", "pigeon.svg")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARS)]


class Written(msgspec.Struct, forbid_unknown_fields=True):
    """What a composer sends."""

    sender: str
    receiver: str
    kind: Literal["text", "picture", "custom"] = "text"
    text: Text = ""
    description: Text = ""
    no_push: bool = False


class Site:
    """The page of one stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.story = Story(stage)
        self._watchers = 0
        self._playing: asyncio.Task[bool] | None = None

    def application(self) -> Starlette:
        """The ASGI application for ``/`` and ``/demo``."""
        routes = [
            Route("/", self._home),
            Route("/demo", self._home),
            Route("/demo/", self._page),
            Route("/demo/events", self._events),
            Route("/demo/state", self._state),
            Route("/demo/story/{action}", self._guarded(self._story), methods=["POST"]),
            Route("/demo/messages", self._guarded(self._send), methods=["POST"]),
            Route("/demo/phones/{slot}", self._guarded(self._order), methods=["POST"]),
            Route("/demo/{name}", self._file),
        ]
        return Starlette(routes=routes)

    def picture(self) -> dict[str, Any]:
        """Everything that the page shows."""
        return {
            "phones": {slot: phone.picture() for slot, phone in self.stage.phones.items()},
            "messages": self.stage.ledger.told(),
            "story": self.story.picture(),
            "people": [[p.user_id, p.name_en, p.name_zh] for p in PEOPLE.values()],
            "brands": [[b.name, b.label_en, b.label_zh, b.service] for b in BRANDS.values()],
            "sandbox": self.stage.sandbox.base_url,
        }

    # --- what is looked at ---

    async def _home(self, _: Request) -> Response:
        return RedirectResponse("/demo/", headers=_HEADERS)

    async def _page(self, _: Request) -> Response:
        return _static("demo.html")

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        return _static(name) if name in _FILES else _json(404, {"code": "not_found", "message": "There is no such file"})

    async def _state(self, _: Request) -> Response:
        return _json(200, self.picture())

    async def _events(self, _: Request) -> Response:
        if self._watchers >= MAX_WATCHERS:
            return _json(503, {"code": "too_many_pages", "message": "Too many pages are open: close one"})
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers=_HEADERS)

    async def _stream(self) -> AsyncIterator[bytes]:
        news = asyncio.Event()
        forget = self.stage.listen(news.set)
        self._watchers += 1
        try:
            shown = b""
            while not self.stage.closing.is_set():
                news.clear()
                picture = msgspec.json.encode(self.picture())
                if picture != shown:
                    shown = picture
                    yield b"data: " + picture + b"\n\n"
                try:
                    await asyncio.wait_for(news.wait(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
                await asyncio.sleep(SETTLE_SECONDS)
        finally:
            self._watchers -= 1
            forget()

    # --- what is done ---

    def _guarded(self, handle: Callable[[Request, bytes], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
        """Only this page may give orders, and what goes wrong is one sentence."""

        async def answer(request: Request) -> Response:
            if not _from_here(request):
                return _json(403, {"code": "not_from_here", "message": "Only the demo's own page may do this"})
            try:
                return _json(200, await handle(request, await _body(request)))
            except CannotDoThat as problem:
                return _json(409, {"code": problem.code, "message": str(problem)})
            except (BadOrder, msgspec.ValidationError, msgspec.DecodeError) as problem:
                return _json(400, {"code": "bad_order", "message": f"This is not understood: {problem}"})
            except (CallFailed, Refused) as problem:
                return _json(502, {"code": "refused", "message": str(problem)})

        return answer

    async def _send(self, _: Request, body: bytes) -> dict[str, Any]:
        written = msgspec.json.decode(body, type=Written)
        if written.sender not in PEOPLE or written.receiver not in PEOPLE or written.sender == written.receiver:
            raise BadOrder("sender and receiver must be two people of the demo")
        if written.kind != "picture" and not written.text.strip():
            raise CannotDoThat("empty", "Write something first")
        await self._take_over()
        letter = Letter(written.receiver, written.kind, written.text.strip(), written.description.strip(), written.no_push)
        entry = await self.stage.send(written.sender, letter)
        return {"key": entry.msg_key}

    async def _order(self, request: Request, body: bytes) -> dict[str, Any]:
        order = msgspec.json.decode(body, type=Order)
        await self._take_over()
        return await obey(self.stage, request.path_params["slot"], order)

    async def _story(self, request: Request, _: bytes) -> dict[str, Any]:
        action = request.path_params["action"]
        await self._take_over()
        if action == "stop":
            return {}
        names = [played.step.name for played in self.story.played]
        if action != "play" and action not in names:
            raise BadOrder(action[:40])
        only = () if action == "play" else (action,)
        self._playing = asyncio.create_task(self.story.perform(STORY_PAUSE_SECONDS, only))
        return {}

    async def _take_over(self) -> None:
        """Somebody does something by hand: the story must not run on over it."""
        await self.story.stop()


def _from_here(request: Request) -> bool:
    """The demo's own page, or a program on this machine; not a page of somebody else that a browser here shows."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    return urlsplit(f"//{host}").hostname in LOOPBACK_NAMES and (origin is None or origin == f"http://{host}")


def _static(name: str) -> Response:
    content = files("homing.demo").joinpath("static", name).read_bytes()
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=_HEADERS)


def _json(status: int, value: Any) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json", headers=_HEADERS)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BadOrder("it is too long")
    return bytes(body)
