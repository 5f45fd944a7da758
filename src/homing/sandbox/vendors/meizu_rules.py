"""What Meizu checks in a form and in its ``messageJson`` (vendor sheet, sections 2, 3 and 7)."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Final
from urllib.parse import parse_qsl

from ..base import SimRequest
from ..json_fields import Check, WrongField, integer, mapping, one_of, switch, text

PARAMETER, SIGNATURE, BAD_APP, EMPTY = "1005", "1006", "110000", "110004"

MAX_TARGETS = 100
MAX_CALLBACK_BYTES, MAX_PARAM_BYTES = 128, 64


class Refused(Exception):
    """The request is refused with a top-level code and words."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


def read_form(request: SimRequest) -> dict[str, str]:
    """The raw parameters: the query of a GET, the form of a POST. Raises Refused."""
    if request.method == "GET":
        return dict(request.query)
    if not request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
        raise Refused(PARAMETER, "the content type must be application/x-www-form-urlencoded")
    try:
        return dict(parse_qsl(request.body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50))
    except ValueError:
        raise Refused(PARAMETER, "the body is not form-encoded UTF-8") from None


def need(form: dict[str, str], *names: str) -> None:
    """Raises Refused for a parameter that is missing or empty."""
    for name in (*names, "sign"):
        if not form.get(name):
            raise Refused(EMPTY, f"{name} is required")


def check_sign(form: dict[str, str], app_secret: str) -> None:
    """MD5 over the sorted raw parameters but ``sign``, one after the other, and the secret. Raises Refused."""
    text_to_sign = "".join(name + "=" + form[name] for name in sorted(form) if name != "sign") + app_secret
    expected = hashlib.md5(text_to_sign.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    if not hmac.compare_digest(expected.encode(), form["sign"].encode("utf-8", "surrogatepass")):
        raise Refused(SIGNATURE, "签名认证失败")


def split_targets(value: str) -> list[str]:
    """The ids of a request, each once. Raises Refused."""
    ids = list(dict.fromkeys(part for part in value.split(",") if part))
    if not 1 <= len(ids) <= MAX_TARGETS:
        raise Refused(PARAMETER, f"from 1 to {MAX_TARGETS} targets are allowed, not {len(ids)}")
    return ids


def _bytes_up_to(limit: int) -> Check:
    """Texts up to so many bytes. The vendor's own library sends what is not set as an empty text."""

    def check(path: str, value: Any) -> None:
        text()(path, value)
        if len(value.encode("utf-8", "surrogatepass")) > limit:
            raise WrongField("value", path, f"is over {limit} bytes")

    return check


def _callback_type(path: str, value: Any) -> None:
    """The SDK sends a text, the README shows a number."""
    one_of("1", "2", "3")(path, value) if isinstance(value, str) else integer(1, 3)(path, value)


_TIME: Final = text(pattern=r"(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2})?", words="yyyy-MM-dd HH:mm:ss")
_VIP: Final = mapping(
    {
        "subtitle": text(limit=16),
        "pullDownTop": switch,
        "timeTop": integer(0, 7200),
        "notGroup": switch,
        "titleColor": one_of("", "#206CFF", "#E42D22"),
        "backgroundImgUrl": text(),
        "smallIconUrl": text(),
        "bigIconUrl": text(),
    }
)
_MESSAGE: Final = mapping(
    {
        "noticeBarInfo": mapping(
            {
                "noticeMsgType": integer(0, 1),
                "noticeBarType": one_of(0, 2),  # 1, the picture, was switched off on 2022-05-27
                "title": text(least=1, limit=32),
                "content": text(least=1, limit=100),
                "noticeBarImgUrl": text(limit=0),
            },
            ("title", "content"),
        ),
        "noticeExpandInfo": mapping({"noticeExpandType": integer(0, 2), "noticeExpandContent": text(), "noticeExpandImgUrl": text()}),
        "clickTypeInfo": mapping(
            {
                "clickType": integer(0, 3),
                "activity": _bytes_up_to(1000),
                "url": _bytes_up_to(1000),
                "parameters": mapping(None),
                "customAttribute": _bytes_up_to(1000),
            }
        ),
        "pushTimeInfo": mapping({"offLine": switch, "validTime": integer(1, 72), "pushTimeType": integer(0, 1), "startTime": _TIME}),
        "advanceInfo": mapping(
            {
                "suspend": switch,
                "clearNoticeBar": switch,
                "fixDisplay": switch,
                "fixStartDisplayTime": _TIME,
                "fixEndDisplayTime": _TIME,
                "fixSpeed": switch,
                "fixSpeedRate": integer(0, 100_000),
                "notificationType": mapping({"vibrate": switch, "lights": switch, "sound": switch}),
                "notifyKey": text(pattern=r"[0-9A-Za-z_-]{0,8}", words="up to 8 of 0-9 A-Z a-z _ -"),
            }
        ),
        "vipInfo": _VIP,
        "extra": mapping(
            {"callback": _bytes_up_to(MAX_CALLBACK_BYTES), "callback.param": _bytes_up_to(MAX_PARAM_BYTES), "callback.type": _callback_type}
        ),
    },
    ("noticeBarInfo",),
)


def read_message(message_json: str) -> dict[str, Any]:
    """The checked message. Raises Refused."""
    try:
        message = json.loads(message_json)
    except (ValueError, RecursionError):
        raise Refused(PARAMETER, "messageJson is not JSON") from None
    try:
        _MESSAGE("messageJson", message)
    except WrongField as wrong:
        raise Refused(PARAMETER, str(wrong)) from None
    _check_words(message["noticeBarInfo"])
    _check_click(message.get("clickTypeInfo") or {})
    _check_rest(message)
    checked: dict[str, Any] = message
    return checked


def _check_words(bar: dict[str, Any]) -> None:
    for name in ("title", "content"):
        if not bar[name].strip():
            raise Refused(PARAMETER, f"messageJson.noticeBarInfo.{name} must not be blank")


def _check_click(click: dict[str, Any]) -> None:
    needed = {1: "activity", 2: "url", 3: "customAttribute"}.get(click.get("clickType") or 0)
    if needed is not None and not click.get(needed):
        raise Refused(PARAMETER, f"messageJson.clickTypeInfo.{needed} is required for clickType {click['clickType']}")


def _check_rest(message: dict[str, Any]) -> None:
    expand, time = message.get("noticeExpandInfo") or {}, message.get("pushTimeInfo") or {}
    needed = {1: "noticeExpandContent", 2: "noticeExpandImgUrl"}.get(expand.get("noticeExpandType") or 0)
    if needed is not None and not expand.get(needed):
        raise Refused(PARAMETER, f"messageJson.noticeExpandInfo.{needed} is required")
    if time.get("offLine") and time.get("validTime") is None:
        raise Refused(PARAMETER, "messageJson.pushTimeInfo.validTime is required with offLine 1")
    callback = (message.get("extra") or {}).get("callback")
    if callback and not callback.startswith(("http://", "https://")):
        raise Refused(PARAMETER, "messageJson.extra.callback must be an http(s) address")
