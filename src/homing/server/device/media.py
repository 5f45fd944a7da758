"""Asking for an upload. The bytes come in a request of their own, see the routes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypedDict

import msgspec

from homing.model.problems import BAD_PARAMETER, Refused
from homing.services.media import Wanted

if TYPE_CHECKING:
    from .operations import Caller

KINDS = {"image": "image/", "sound": "audio/", "video": "video/", "file": ""}
MAX_NAME_CHARS = 255
_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


class MediaBody(msgspec.Struct):
    """What shall be uploaded. ``size`` in bytes; ``sha256`` in hexadecimal, checked where it is given."""

    kind: str
    size: int
    content_type: str = "application/octet-stream"
    file_name: str = ""
    sha256: str = ""


class UploadAnswer(TypedDict):
    """The request that uploads."""

    method: str
    url: str
    headers: dict[str, str]
    with_session: bool


class MediaAnswer(TypedDict):
    """Where the bytes go, and where everybody who knows ``url`` finds them."""

    upload: UploadAnswer
    url: str
    uuid: str


async def ask(caller: Caller, body: MediaBody) -> MediaAnswer:
    """Ask for an upload."""
    content_type = body.content_type.partition(";")[0].strip().lower()
    if body.kind not in KINDS:
        raise Refused(BAD_PARAMETER, f"$.kind: it is one of {', '.join(KINDS)}")
    if not _CONTENT_TYPE.fullmatch(content_type) or not content_type.startswith(KINDS[body.kind]):
        raise Refused(BAD_PARAMETER, f"$.content_type: it is {KINDS[body.kind] or 'type/'}… for kind {body.kind}")
    if len(body.file_name) > MAX_NAME_CHARS or _CONTROL.search(body.file_name):
        raise Refused(BAD_PARAMETER, f"$.file_name: at most {MAX_NAME_CHARS} characters, no control characters")
    media, device = caller.hub.media, caller.device
    name, row = await media.ask(device, Wanted(body.size, content_type, body.file_name, body.sha256.lower()))
    upload: UploadAnswer = {
        "method": "PUT",
        "url": f"{media.public_url}/v1/device/media/{name}",
        "headers": {"content-type": content_type},
        "with_session": True,
    }
    if media.bucket is not None:
        link, headers = media.bucket.upload_link(device.sdkappid, name, row)
        upload = {"method": "PUT", "url": link, "headers": headers, "with_session": False}
    return {"upload": upload, "url": f"{media.public_url}/media/{device.sdkappid}/{name}", "uuid": name}
