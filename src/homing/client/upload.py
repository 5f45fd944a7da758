"""Uploading what goes beside a message, and the element that names it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import mimetypes
import ssl as ssl_module
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urljoin, urlsplit

import msgspec

from .elements import Element, file_message, image_message, sound_message, video_message
from .errors import HomingError
from .http import HttpClient, HttpError
from .sending import OnProgress

_IMAGE_FORMATS = {"image/jpeg": 1, "image/gif": 2, "image/png": 3, "image/bmp": 4}


class Uploaded(msgspec.Struct, frozen=True):
    """Bytes on the server: whoever knows ``url`` can read them. ``size`` in bytes."""

    url: str
    uuid: str
    size: int
    content_type: str
    file_name: str

    def image(self, width: int, height: int) -> Element:
        """The picture as an element."""
        image_format = _IMAGE_FORMATS.get(self.content_type, 255)
        return image_message(self.url, self.uuid, width=width, height=height, size=self.size, image_format=image_format)

    def sound(self, seconds: int) -> Element:
        """The voice message as an element."""
        return sound_message(self.url, seconds, self.uuid, size=self.size)

    def file(self) -> Element:
        """The file as an element."""
        return file_message(self.url, self.file_name, self.uuid, size=self.size)

    def video(self, seconds: int, thumb: Uploaded | None = None) -> Element:
        """The video as an element, with the picture that stands for it."""
        video_format = self.content_type.partition("/")[2]
        return video_message(self.url, seconds, thumb.url if thumb else "", self.uuid, size=self.size, video_format=video_format)


class _UploadRequest(msgspec.Struct):
    method: str
    url: str
    headers: dict[str, str]
    with_session: bool


class Permission(msgspec.Struct):
    """The server's answer to the wish to upload."""

    upload: _UploadRequest
    url: str
    uuid: str


class Session(Protocol):
    """Who asks for the upload."""

    async def call(self, op: str, body: Any, kind: type[Any]) -> Any:
        """Do an operation of the device API."""
        ...


class Uploader:
    """Uploads to one server. ``seconds`` bounds each wait for the network, not the whole upload."""

    def __init__(self, base_url: str, ssl: ssl_module.SSLContext | None, seconds: float) -> None:
        self._base_url = base_url
        self._ssl = ssl
        self._seconds = seconds

    async def upload(
        self,
        session: Session,
        token: str,
        source: bytes | Path,
        kind: str,
        content_type: str,
        file_name: str,
        on_progress: OnProgress | None,
    ) -> Uploaded:
        """Ask, then send the bytes. Raises ``HomingError``, and ``OSError`` for a file that cannot be read."""
        name = file_name or (source.name if isinstance(source, Path) else "")
        content_type = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        file = io.BytesIO(source) if isinstance(source, bytes) else await asyncio.to_thread(source.open, "rb")
        try:
            size, sha256 = await asyncio.to_thread(_measured, file)
            body = {"kind": kind, "size": size, "content_type": content_type, "file_name": name, "sha256": sha256}
            permission: Permission = await session.call("media", body, Permission)
            await self._send(permission.upload, token, file, size, on_progress)
        finally:
            await asyncio.to_thread(file.close)
        return Uploaded(urljoin(self._base_url, permission.url), permission.uuid, size, content_type, name)

    async def _send(self, request: _UploadRequest, token: str, file: BinaryIO, size: int, on_progress: OnProgress | None) -> None:
        address = urlsplit(urljoin(self._base_url, request.url))
        headers = request.headers | ({"authorization": f"Bearer {token}"} if request.with_session else {})
        client = HttpClient(f"{address.scheme}://{address.netloc}", ssl=self._ssl, timeout_seconds=self._seconds)
        target = address.path + (f"?{address.query}" if address.query else "")
        try:
            status, answer = await client.put(target, headers, file, size, on_progress)
        except HttpError as error:
            raise HomingError("connect_failed", str(error)) from None
        finally:
            await client.aclose()
        if not 200 <= status < 300:
            raise _refusal(status, answer)


class _Refusal(msgspec.Struct):
    code: str = ""
    message: str = ""


def _refusal(status: int, answer: bytes) -> HomingError:
    try:
        refusal = msgspec.json.decode(answer, type=_Refusal)
    except msgspec.DecodeError:
        refusal = _Refusal()
    return HomingError(refusal.code or "upload_refused", refusal.message or f"the upload was answered with status {status}")


def _measured(file: BinaryIO) -> tuple[int, str]:
    digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]
    size = file.seek(0, io.SEEK_END)  # the digest of bytes in memory does not move
    file.seek(0)
    return size, digest.hexdigest()
