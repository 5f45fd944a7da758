"""The sandbox's door: faults first, then the vendor that the path belongs to, then the log."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from .base import Handler, SimRequest, SimResponse, VendorSimulator
from .faults import Fault
from .world import World

_log = logging.getLogger(__name__)
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"


class Front:
    """Answers every request on every listener."""

    def __init__(self, world: World, control: Handler | None = None) -> None:
        self._world, self._control = world, control

    async def handle(self, request: SimRequest) -> SimResponse:
        """The answer of the vendor the path belongs to, of the control API, or 404. Never raises."""
        for vendor in self._world.vendors.values():
            if vendor.matches(request):
                return await self._vendor(vendor, request)
        if self._control is not None:
            return await self._control(request)
        return json_response(404, {"code": "not_found", "message": "no vendor has this path", "help": "see GET /"})

    async def _vendor(self, vendor: VendorSimulator, request: SimRequest) -> SimResponse:
        faults = self._world.faults
        if len(faults):
            late = faults.take(vendor.name, "latency", path=request.path)
            if late is not None:
                await asyncio.sleep(late.ms / 1000)
            if faults.take(vendor.name, "reset", path=request.path) is not None:
                return self._logged(vendor, request, SimResponse(502, reset=True, accepted=False, reason="reset"), "fault")
            wrong = faults.take(vendor.name, "status", path=request.path)
            if wrong is not None:
                return self._logged(vendor, request, _faulty(wrong, vendor, request), "fault")
            lost = self._h2_fault(vendor, request) if request.http_version.startswith("2") else None
            if lost is not None:
                return self._logged(vendor, request, lost, "fault")
        try:
            response = await vendor.handle(request)
        except Exception:
            _log.exception("sandbox: the %s simulator failed", vendor.name)
            response = SimResponse(500, accepted=False, reason="the simulator failed; this is a bug in the sandbox")
        if len(faults) and faults.take(vendor.name, "goaway", path=request.path) is not None:
            response.goaway = True
            response.goaway_body = _goaway_body(vendor)
        return self._logged(vendor, request, response, "accepted" if response.accepted else "refused")

    def _h2_fault(self, vendor: VendorSimulator, request: SimRequest) -> SimResponse | None:
        """Faults of HTTP/2 alone: the request is left unprocessed, and the client may send it again."""
        faults = self._world.faults
        connection = request.connection.values.get("h2")
        fewer = faults.take(vendor.name, "max_streams", path=request.path) if connection is not None else None
        if connection is not None and fewer is not None:
            connection.set_max_concurrent_streams(fewer.streams)
        if faults.take(vendor.name, "refused_stream", path=request.path) is not None:
            return SimResponse(503, refused_stream=True, accepted=False, reason="REFUSED_STREAM, not processed")
        if faults.take(vendor.name, "goaway", path=request.path) is not None:
            away = SimResponse(503, goaway=True, reset=True, accepted=False, reason="GOAWAY, not processed")
            away.goaway_body = _goaway_body(vendor)
            return away
        return None

    def _logged(self, vendor: VendorSimulator, request: SimRequest, response: SimResponse, verdict: str) -> SimResponse:
        self._world.log(vendor.name, request, response.status, verdict, response.reason)
        return response


def json_response(
    status: int, value: Any, headers: dict[str, str] | None = None, *, accepted: bool = True, reason: str = ""
) -> SimResponse:
    """A JSON answer in compact UTF-8."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return SimResponse(status, {"content-type": "application/json", **(headers or {})}, body, accepted=accepted, reason=reason)


def _faulty(fault: Fault, vendor: VendorSimulator, request: SimRequest) -> SimResponse:
    """What a "status" fault answers: the vendor's own error body unless another kind of body was ordered."""
    headers = {"content-type": "application/json", **_vendor_headers(vendor, request)}
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    response = SimResponse(fault.status, headers, accepted=False, reason=f"ordered fault {fault.id}: status {fault.status}")
    if fault.body == "html":
        response.headers["content-type"] = "text/html"
        response.body = _HTML
    elif fault.body in ("truncated", "cut"):
        response.body = b'{"result":"ok","code":'
        response.truncate = fault.body == "cut"
    elif fault.body != "empty":
        response.body = _vendor_error(vendor, fault.status)
    return response


def _goaway_body(vendor: VendorSimulator) -> bytes:
    """A simulator may have ``goaway_body()``: what its GOAWAY frames carry."""
    make: Any = getattr(vendor, "goaway_body", None)
    body = make() if make is not None else b""
    return body if isinstance(body, bytes) else b""


def _vendor_headers(vendor: VendorSimulator, request: SimRequest) -> dict[str, str]:
    """A simulator may have ``fault_headers(request)``: the headers that are in each of its answers."""
    make: Any = getattr(vendor, "fault_headers", None)
    headers = make(request) if make is not None else {}
    return headers if isinstance(headers, dict) else {}


def _vendor_error(vendor: VendorSimulator, status: int) -> bytes:
    """A simulator may have ``fault_body(status)``; without it the body is an empty object."""
    make: Any = getattr(vendor, "fault_body", None)
    body = make(status) if make is not None else b"{}"
    return body if isinstance(body, bytes) else b"{}"
