"""``POST /v1/receipts/{receipt_path}``: a vendor's receipts. The path is unguessable and names the certificate."""

from __future__ import annotations

import asyncio

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from homing.model.outcome import ReceiptRequest
from homing.services.hub import Hub
from homing.services.receipts import Receipts
from homing.store.engine import StoreBusy

log = structlog.get_logger()

MAX_BODY_BYTES = 1_000_000
BODY_SECONDS = 10.0
HELP = "docs/how-to/receipts.md"


class _BodyTooLarge(Exception):
    pass


def receipt_routes(hub: Hub) -> list[Route]:
    """The route of the vendors' receipts."""
    return routes_of(hub.receipts)


def routes_of(receipts: Receipts) -> list[Route]:
    """The route, for a service that may stand alone."""

    async def receive(request: Request) -> Response:
        path = request.path_params["receipt_path"]
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request)
            # A vendor's console calls the URL with GET to see whether it exists: the answer is that of an empty call.
            answer = await receipts.accept(path, ReceiptRequest(_headers(request), dict(request.query_params), body))
        except _BodyTooLarge:
            return _refusal(413, "body_too_long", f"The body is larger than {MAX_BODY_BYTES} bytes")
        except (TimeoutError, ClientDisconnect):
            return _refusal(408, "request_timeout", "The body did not come within ten seconds")
        except StoreBusy as busy:
            log.warning("receipts_put_off", why=str(busy))
            return _refusal(503, "too_fast", "The receipts cannot be stored now; send them again")
        if answer is None:
            return _refusal(404, "receipt_path_unknown", "No certificate has this receipt URL; copy it from the certificate again")
        if request.method in ("GET", "HEAD") and not request.query_params:
            return Response(b"{}", 200, media_type="application/json")
        return Response(answer.body, answer.status, media_type="application/json")

    return [Route("/v1/receipts/{receipt_path}", receive, methods=["POST", "GET"])]


async def _body(request: Request) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise _BodyTooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _BodyTooLarge
    return bytes(body)


def _headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _refusal(status: int, code: str, sentence: str) -> Response:
    body = msgspec.json.encode({"code": code, "message": sentence, "help": HELP})
    headers = {"retry-after": "5"} if status == 503 else None
    return Response(body, status, headers=headers, media_type="application/json")
