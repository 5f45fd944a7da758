"""``/media/…``: what was uploaded, for everybody who knows the address. Nothing in it ever runs as a page of this server."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from homing.model.problems import MEDIA_UNKNOWN, TOO_FAST, Refused
from homing.server.device.routes import refused
from homing.services.hub import Hub
from homing.services.media import Found
from homing.store.engine import StoreBusy
from homing.store.media import MediaRow

MAX_AGE_SECONDS = 86_400
#: What a browser may show by itself; all else is saved to a file. No type here can carry a script.
_SHOWN = frozenset(
    {"image/avif", "image/bmp", "image/gif", "image/heic", "image/jpeg", "image/png", "image/webp"}
    | {"audio/aac", "audio/amr", "audio/flac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/wav", "audio/webm"}
    | {"video/3gpp", "video/mp4", "video/ogg", "video/quicktime", "video/webm"}
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "cross-origin-resource-policy": "cross-origin",
    "access-control-allow-origin": "*",
    "referrer-policy": "no-referrer",
}


def media_routes(hub: Hub) -> list[Route]:
    """Downloads."""

    async def download(request: Request) -> Response:
        app = request.path_params["sdkappid"]
        number = int(app) if app.isascii() and app.isdigit() and len(app) < 19 else 0
        try:
            found = await hub.media.find(number, request.path_params["name"])
        except StoreBusy:
            return refused(Refused(TOO_FAST))
        if found is None:
            return refused(Refused(MEDIA_UNKNOWN))
        if found.path is None:
            return _to_bucket(hub, number, request.path_params["name"], found)
        return await _answer(request, found, found.path, hub.clock.now_ms())

    return [Route("/media/{sdkappid}/{name}", download, methods=["GET"])]


async def _answer(request: Request, found: Found, path: Path, now_ms: int) -> Response:
    row = found.row
    seconds = max(0, min(MAX_AGE_SECONDS, (row.expires_at_ms - now_ms) // 1000))
    headers = _HEADERS | {"etag": f'"{row.sha256}"', "cache-control": f"private, max-age={seconds}, immutable"}
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    try:
        stat = await asyncio.to_thread(os.stat, path)
    except OSError:
        return refused(Refused(MEDIA_UNKNOWN))
    content_type, headers["content-disposition"] = _form(row)
    _one_range(request)
    return FileResponse(path, headers=headers, media_type=content_type, stat_result=stat)


def _to_bucket(hub: Hub, sdkappid: int, name: str, found: Found) -> Response:
    assert hub.media.bucket is not None
    link = hub.media.bucket.download_link(sdkappid, name, *_form(found.row))
    return Response(status_code=302, headers=_HEADERS | {"location": link, "cache-control": "no-store"})


def _form(row: MediaRow) -> tuple[str, str]:
    """Content-Type and Content-Disposition."""
    shown = row.content_type in _SHOWN
    kind = "inline" if shown else "attachment"
    disposition = f"{kind}; filename*=UTF-8''{quote(row.file_name, safe='')}" if row.file_name else kind
    return row.content_type if shown else "application/octet-stream", disposition


def _one_range(request: Request) -> None:
    """Several ranges in one request are answered with everything: nobody needs them, and they cost much."""
    if "," in request.headers.get("range", ""):
        request.scope["headers"] = [header for header in request.scope["headers"] if header[0] != b"range"]
