"""What TPNS checks in a push, and the headers that sign it (vendor sheet, sections 2 and 3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, Final

from ..base import SimRequest
from ..json_fields import MISSING, Check, WrongField, array, boolean, integer, mapping, one_of, switch, text

UNPARSABLE, MISSING_PARAMETER, AUTHENTICATION, PARAMETER = 1008001, 1008002, 1008003, 1008007

MAX_TARGETS = 1000
MAX_TOKEN_CHARS = 36
MAX_MESSAGE_BYTES = 4096
MAX_EXPIRE_SECONDS = 259_200
MAX_SKEW_SECONDS = 300  # not documented
MASS: Final = ("all", "tag", "package_account_push", "package_token_push")
LISTS: Final = {"token": "token_list", "token_list": "token_list", "account": "account_list", "account_list": "account_list"}


class Refused(Exception):
    """The request is refused with a ret_code and words."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


def access_id_of(request: SimRequest) -> str:
    """Who a request says that it comes from; "" where it does not."""
    header = request.headers.get("authorization", "")
    if header.startswith("Basic "):
        return _basic(header)[0]
    return request.headers.get("accessid", "")


def check_authentication(request: SimRequest, access_id: str, secret_key: str, now_ms: int) -> None:
    """Basic, or ``AccessId``, ``TimeStamp`` and ``Sign``. Raises Refused."""
    header = request.headers.get("authorization", "")
    if header.startswith("Basic "):
        good = hmac.compare_digest(_basic(header)[1].encode("utf-8", "replace"), secret_key.encode())
    else:
        good = _is_signed(request, access_id, secret_key, now_ms)
    if not good:
        raise Refused(AUTHENTICATION, "authentication failed")


def _basic(header: str) -> tuple[str, str]:
    try:
        name, _, key = base64.b64decode(header.removeprefix("Basic "), validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return name, key


def _is_signed(request: SimRequest, access_id: str, secret_key: str, now_ms: int) -> bool:
    timestamp = request.headers.get("timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(int(timestamp) - now_ms // 1000) > MAX_SKEW_SECONDS:
        return False
    signed = timestamp.encode() + access_id.encode() + request.body
    hexadecimal = hmac.new(secret_key.encode(), signed, hashlib.sha256).hexdigest()
    shown = request.headers.get("sign", "").encode("utf-8", "replace")
    return hmac.compare_digest(base64.b64encode(hexadecimal.encode()), shown)


def _json_text(path: str, value: Any) -> None:
    text()(path, value)
    try:
        json.loads(value or "{}")
    except (ValueError, RecursionError):
        raise WrongField("value", path, "must be a string that holds JSON") from None


def _unset(check: Check) -> Check:
    """``""`` and 0 stand for a field that was not set: libraries with a class for each object send every field."""

    def lenient(path: str, value: Any) -> None:
        if value != "" and (value != 0 or isinstance(value, bool)):
            check(path, value)

    return lenient


def _http(path: str, value: Any) -> None:
    text(pattern=r"https?://\S+", words="an http(s) address")(path, value)


_TIME: Final = mapping({"hour": text(limit=2), "min": text(limit=2)}, ("hour", "min"))
_ACTION: Final = mapping(
    {
        "action_type": _unset(integer(1, 3)),
        "activity": text(),
        "aty_attr": mapping({"if": integer(0, 2**31 - 1), "pf": integer(0, 2**31 - 1)}),
        "browser": mapping({"url": _unset(_http), "confirm": switch}, ("url",)),
        "intent": text(),
    }
)
_ANDROID: Final[dict[str, Check]] = {
    **dict.fromkeys(("n_ch_id", "n_ch_name", "xm_ch_id", "hw_ch_id", "oppo_ch_id", "fcm_ch_id", "hw_category", "vivo_category"), text()),
    **dict.fromkeys(("icon_res", "small_icon", "urgency", "n_category", "oppo_advertiser_id"), text()),
    **dict.fromkeys(("oppo_top_notification_bar_show", "oppo_senior_push"), boolean),
    "vivo_marketing": _unset(mapping(None)),
    **dict.fromkeys(("ring", "vibrate", "lights", "clearable"), switch),
    "hw_importance": _unset(integer(1, 2)),
    "hw_biz_type": integer(0, 1),
    "vivo_ch_id": _unset(one_of("0", "1")),
    "badge_type": integer(-2, 99),
    "ring_raw": _unset(text(pattern=r"[A-Za-z0-9_]+", words="a name in res/raw without its suffix")),
    "builder_id": integer(0, 2**31 - 1),
    "style_id": integer(0, 1),
    "icon_type": integer(0, 1),
    "icon_color": integer(0, 2**31 - 1),
    "n_id": integer(0, 2**31 - 1),
    "n_importance": integer(0, 5),
    "show_type": integer(1, 2),
    "action": _ACTION,
    "custom_content": _json_text,
}


def _sound(path: str, value: Any) -> None:
    """A file's name, or the object of a critical alert."""
    (mapping({"critical": integer(0, 1), "name": text(), "volume": _number}) if isinstance(value, dict) else text())(path, value)


def _number(path: str, value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise WrongField("type", path, "must be a number")


_APS: Final[dict[str, Check]] = {
    "alert": mapping(None),
    "badge_type": integer(-2, 2**31 - 1),
    "category": text(),
    "sound": _sound,
    "thread-id": text(),
    "mutable-content": integer(0, 1),
    "interruption-level": one_of("passive", "active", "time-sensitive", "critical"),
    "content-available": integer(0, 1),
}
_MESSAGE: Final = mapping(
    {
        "title": text(),
        "content": text(),
        "accept_time": array(mapping({"start": _TIME, "end": _TIME}, ("start", "end")), 10),
        "thread_id": text(),
        "thread_sumtext": text(),
        "show_type": integer(1, 2),
        "xg_media_resources": _unset(_http),
        "xg_media_audio_resources": _unset(_http),
        "android": mapping(_ANDROID),
        "ios": mapping({"aps": mapping(_APS), "custom_content": _json_text, "custom": _json_text}, ("aps",)),
    }
)
_CHANNEL: Final = one_of("xg", "hw", "xm", "mz", "vivo", "oppo", "honor", "fcm", "apns")
_TOP: Final = mapping(
    {
        "audience_type": one_of(*LISTS, *MASS),
        "message_type": one_of("notify", "message"),
        "message": _MESSAGE,
        "environment": _unset(one_of("product", "dev")),
        "token_list": array(text(least=1, limit=MAX_TOKEN_CHARS), MAX_TARGETS),
        "account_list": array(text(least=1), MAX_TARGETS),
        "account_push_type": integer(0, 1),
        "account_type": integer(0, 2**31 - 1),
        "ignore_invalid_token": integer(0, 1),
        "expire_time": integer(0, MAX_EXPIRE_SECONDS),
        "multi_pkg": boolean,
        "channel_rules": array(mapping({"channel": _CHANNEL, "disable": boolean}, ("channel", "disable")), 9),
        "tpns_online_push_type": integer(0, 1),
        "force_collapse": boolean,
        "plan_id": text(),
        "group_id": text(limit=25),
        "seq": integer(0, 2**63 - 1),
        "platform": text(),
        # Mass pushes', and what older libraries always send along
        "collapse_id": integer(0, 2**63 - 1),
        "send_time": text(),
        "loop_param": mapping(None),
        "loop_times": integer(0, 1000),
        "loop_interval": integer(0, 1000),
        "push_speed": _unset(integer(1000, 50_000)),
        "tag_rules": array(mapping(None), 100),
        "tag_list": mapping(None),
        "upload_id": integer(0, 2**63 - 1),
        "push_id": text(),
        "stat_tag": text(),
    },
    ("audience_type", "message_type", "message"),
)


def read_body(raw: bytes) -> dict[str, Any]:
    """The checked request. Raises Refused."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused(UNPARSABLE, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(UNPARSABLE, "the body is not a JSON object")
    try:
        _TOP("request", body)
    except WrongField as wrong:
        raise Refused(MISSING_PARAMETER if wrong.kind == MISSING else PARAMETER, str(wrong)) from None
    _check_targets(body)
    _check_message(body, body["message"])
    return body


def _check_targets(body: dict[str, Any]) -> None:
    wanted = body["audience_type"]
    if wanted in MASS:
        raise Refused(PARAMETER, f"audience_type {wanted}: this sandbox sends to tokens and accounts")
    if not body.get(LISTS[wanted]):
        raise Refused(MISSING_PARAMETER, f"request.{LISTS[wanted]} is required")


def _check_message(body: dict[str, Any], message: dict[str, Any]) -> None:
    size = len(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
    if size > MAX_MESSAGE_BYTES:
        raise Refused(PARAMETER, f"message is {size} bytes; {MAX_MESSAGE_BYTES} are allowed")
    if message.get("ios") is not None:
        _check_apple(body, message["ios"]["aps"])
        return
    for name in ("title", "content") if body["message_type"] == "notify" else ("content",):
        if not (message.get(name) or "").strip():
            raise Refused(MISSING_PARAMETER, f"message.{name} is required")
    _check_android(message.get("android") or {})


def _check_apple(body: dict[str, Any], aps: dict[str, Any]) -> None:
    if not body.get("environment"):
        raise Refused(MISSING_PARAMETER, "request.environment is required for iOS")
    if body["message_type"] == "notify" and aps.get("alert") is None:
        raise Refused(MISSING_PARAMETER, "message.ios.aps.alert is required")
    if body["message_type"] == "notify" and aps.get("content-available"):
        raise Refused(PARAMETER, "content-available is for message_type message")


def _check_android(android: dict[str, Any]) -> None:
    action = android.get("action") or {}
    needed = {2: "browser", 3: "intent"}.get(action.get("action_type") or 1)
    given = (action.get("browser") or {}).get("url") if needed == "browser" else action.get(needed or "")
    if needed is not None and not given:
        raise Refused(PARAMETER, f"message.android.action.{needed} is required for action_type {action['action_type']}")
    if android.get("ring_raw") and not android.get("n_ch_id"):
        raise Refused(PARAMETER, "message.android.ring_raw needs n_ch_id")
