"""``/openapi.json`` and ``/docs/api``."""

from __future__ import annotations

import asyncio
import functools

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .document import description, document
from .page import page

_HEADERS = {
    "cache-control": "max-age=300",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


def openapi_routes() -> list[Route]:
    """The description for programs and for people. Each is made when somebody asks for the first time, and kept."""
    made = functools.cache(document)
    pages = functools.cache(lambda language: page(description(), language))

    async def for_programs(_: Request) -> Response:
        body = await asyncio.to_thread(made)
        return Response(body, headers=_HEADERS | {"access-control-allow-origin": "*"}, media_type="application/json")

    async def for_people(request: Request) -> Response:
        body = await asyncio.to_thread(pages, language_of(request))
        return Response(body, headers=_HEADERS | {"vary": "accept-language"}, media_type="text/html; charset=utf-8")

    return [Route("/openapi.json", for_programs), Route("/docs/api", for_people)]


def language_of(request: Request) -> str:
    """``zh`` when the address or the browser asks for Chinese first, else ``en``."""
    wanted = request.query_params.get("lang") or request.headers.get("accept-language", "")
    return "zh" if wanted.strip().lower().startswith("zh") else "en"
