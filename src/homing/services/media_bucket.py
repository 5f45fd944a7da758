"""Uploads in a bucket that speaks S3: devices talk to it themselves, with URLs that the server signs."""

from __future__ import annotations

import asyncio
import base64
from typing import Protocol

from homing.model.clock import Clock
from homing.model.outcome import TransportFailure, VendorRequest, VendorResponse
from homing.rules.sigv4 import AccessKey, presign
from homing.store.media import MediaRow

#: How long a link to the bytes is good. The server's own address makes new ones until the upload expires.
DOWNLOAD_SECONDS = 3600
UPLOAD_SECONDS = 3600
DELETE_SECONDS = 300
DELETES_AT_ONCE = 20
_GONE = frozenset({200, 202, 204, 404})


class BucketTransport(Protocol):
    """Sends one request."""

    async def send(self, request: VendorRequest, *, pool: str) -> VendorResponse | TransportFailure:
        """The answer, or why there is none."""
        ...


class Bucket:
    """A bucket. ``url`` is its own, with or without a path: names of uploads are appended to it."""

    def __init__(self, url: str, region: str, key: AccessKey, transport: BucketTransport, clock: Clock) -> None:
        self._url = url.rstrip("/")
        self._region = region
        self._key = key
        self._transport = transport
        self._clock = clock

    def upload_link(self, sdkappid: int, name: str, row: MediaRow) -> tuple[str, dict[str, str]]:
        """Where to put the bytes, and with which headers. The signature holds the length, the type and the checksum."""
        headers = {"content-type": row.content_type}
        if row.sha256:
            headers["x-amz-checksum-sha256"] = base64.b64encode(bytes.fromhex(row.sha256)).decode()
        signed = headers | {"content-length": str(row.size)}
        url = presign("PUT", self._object(sdkappid, name), self._key, self._region, self._now(), UPLOAD_SECONDS, headers=signed)
        return url, headers

    def download_link(self, sdkappid: int, name: str, content_type: str, disposition: str) -> str:
        """Where the bytes are, for an hour."""
        query = {"response-content-type": content_type, "response-content-disposition": disposition}
        return presign("GET", self._object(sdkappid, name), self._key, self._region, self._now(), DOWNLOAD_SECONDS, query=query)

    async def remove(self, keys: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Delete uploads. Returns those that are gone, also when they had been before."""
        gone: list[tuple[int, str]] = []
        for start in range(0, len(keys), DELETES_AT_ONCE):
            some = keys[start : start + DELETES_AT_ONCE]
            answers = await asyncio.gather(*(self._delete(*key) for key in some))
            gone += [key for key, answer in zip(some, answers, strict=True) if answer]
        return gone

    async def _delete(self, sdkappid: int, name: str) -> bool:
        url = presign("DELETE", self._object(sdkappid, name), self._key, self._region, self._now(), DELETE_SECONDS)
        answer = await self._transport.send(VendorRequest("DELETE", url, (), b""), pool="media")
        return isinstance(answer, VendorResponse) and answer.status in _GONE

    def _object(self, sdkappid: int, name: str) -> str:
        return f"{self._url}/{sdkappid:d}/{name}"

    def _now(self) -> int:
        return self._clock.now_ms() // 1000
