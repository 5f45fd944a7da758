"""What Mi Push checks in a message: lengths, numbers, vendor options, channels and templates (vendor sheet, sections 3 and 8)."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

MISSING, ILLEGAL = 10016, 10017
CALLBACK_WRONG = 10025
FORBIDDEN = 10036
CHANNEL_WRONG = 27001
TOO_LONG = 65009
TOO_MANY_PAIRS, PAIRS_TOO_LONG = 65014, 65015

TITLE_UNDER, DESCRIPTION_UNDER = 50, 128
MAX_REGIDS = 1000
MAX_PAYLOAD_BYTES = 4096
MAX_OWN_PAIRS, MAX_OWN_CHARS = 10, 1024
PRIVATE_TTL_MS, PUBLIC_TTL_MS = 10 * 86_400_000, 86_400_000
MAX_SCHEDULE_MS = 30 * 86_400_000
MAX_VARIABLES, MAX_VALUE_CHARS = 9, 128
_VARIABLE: Final = re.compile(r"\{\$([A-Za-z0-9_]+)\$\}")
_JOBKEY: Final = re.compile(r"[0-9A-Za-z-][0-9A-Za-z_-]{0,19}")

#: The vendor's own extra keys; everything else is the sender's and counts against the limit for own pairs.
VENDOR_EXTRAS: Final = frozenset(
    {
        "channel_id",
        "channel_name",
        "channel_description",
        "template_id",
        "template_param",
        "notify_effect",
        "intent_uri",
        "web_uri",
        "intent_flag",
        "class_name",
        "sound_uri",
        "sound_url",
        "notify_foreground",
        "ticker",
        "badge",
        "flow_control",
        "jobkey",
        "only_send_once",
        "callback",
        "callback.param",
        "callback.type",
        "locale",
        "locale_not_in",
        "model",
        "model_not_in",
        "app_version",
        "app_version_not_in",
        "connpt",
        "notification_style_type",
        "notification_bigPic_uri",
        "notification_large_icon_uri",
    }
)


class Refused(Exception):
    """The message is refused with a vendor code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True, slots=True)
class MiChannel:
    """A channel of the console: its class decides quotas and how loud it is."""

    id: str
    private: bool
    audited: bool = True
    sound: str = ""  # resource name; "" leaves it to the first message


@dataclass(frozen=True, slots=True)
class MiTemplate:
    """A template bound to a channel; the server sends only the variables."""

    id: str
    channel_id: str
    title: str
    text: str

    @property
    def variables(self) -> frozenset[str]:
        """Every variable of title and text."""
        return frozenset(_VARIABLE.findall(self.title) + _VARIABLE.findall(self.text))


@dataclass(frozen=True, slots=True)
class MiMessage:
    """A checked message."""

    title: str
    description: str
    payload: str
    pass_through: int
    notify_type: int
    notify_id: int
    ttl_ms: int
    send_at_ms: int
    packages: tuple[str, ...]
    channel: MiChannel | None
    extra: dict[str, str]


def read_message(
    fields: dict[str, str],
    extra: dict[str, str],
    channels: dict[str, MiChannel],
    templates: dict[str, MiTemplate],
    now_ms: int,
    *,
    needs_channel: bool = False,
    needs_template: bool = False,
    data_messages: bool = False,
) -> MiMessage:
    """Check a message (form fields, and extras without their prefix). Raises Refused."""
    pass_through = _integer(fields, "pass_through", 0, 0, 1)
    if pass_through and not data_messages:
        raise Refused(FORBIDDEN, "data messages (pass_through 1) are no longer offered")
    _check_extra(extra)
    channel = _channel(extra, channels, needs_channel=needs_channel)
    title, description = fields.get("title", ""), fields.get("description", "")
    if extra.get("template_id"):
        title, description = _from_template(extra, channel, templates)
    elif needs_template and channel is not None and channel.private:
        raise Refused(ILLEGAL, f"channel {channel.id} needs extra.template_id")
    elif not pass_through:
        _check_text("title", title, TITLE_UNDER)
        _check_text("description", description, DESCRIPTION_UNDER)
    payload = fields.get("payload", "")
    if _bytes(payload) > MAX_PAYLOAD_BYTES:
        raise Refused(TOO_LONG, f"payload is over {MAX_PAYLOAD_BYTES} bytes")
    longest = PRIVATE_TTL_MS if channel is not None and channel.private else PUBLIC_TTL_MS
    send_at = _integer(fields, "time_to_send", 0, 0, 2**63 - 1)
    if send_at > now_ms + MAX_SCHEDULE_MS:
        raise Refused(ILLEGAL, "time_to_send is too far away")
    return MiMessage(
        title=title,
        description=description,
        payload=payload,
        pass_through=pass_through,
        notify_type=_integer(fields, "notify_type", -1, -1, 7),
        notify_id=_integer(fields, "notify_id", 0, 0, 2**31 - 1),
        ttl_ms=min(_integer(fields, "time_to_live", longest, 0, 2**63 - 1), longest),
        send_at_ms=send_at,
        packages=tuple(p for p in fields.get("restricted_package_name", "").split(",") if p),
        channel=channel,
        extra=extra,
    )


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _check_text(name: str, value: str, under: int) -> None:
    if not value:
        raise Refused(MISSING, f"{name} is required")
    if not value.strip():
        raise Refused(ILLEGAL, f"{name} must not be blank")
    if len(value) >= under:
        raise Refused(ILLEGAL, f"{name} must have fewer than {under} characters, it has {len(value)}")


def _integer(fields: dict[str, str], name: str, default: int, low: int, high: int) -> int:
    text = fields.get(name, "")
    if text == "":
        return default
    if re.fullmatch(r"-?\d{1,19}", text) is None or not low <= int(text) <= high:
        raise Refused(ILLEGAL, f"{name} must be a whole number from {low} to {high}")
    return int(text)


def _check_extra(extra: dict[str, str]) -> None:
    own = {k: v for k, v in extra.items() if k not in VENDOR_EXTRAS and not k.startswith("notification_style_button_")}
    if len(own) > MAX_OWN_PAIRS:
        raise Refused(TOO_MANY_PAIRS, f"{len(own)} own key-value pairs, {MAX_OWN_PAIRS} are allowed")
    if sum(len(k) + len(v) for k, v in own.items()) > MAX_OWN_CHARS:
        raise Refused(PAIRS_TOO_LONG, f"own keys and values are over {MAX_OWN_CHARS} characters")
    _check_effect(extra)
    for name, choices in (("notify_foreground", "01"), ("only_send_once", "01"), ("notification_style_type", "012")):
        if name in extra and (len(extra[name]) != 1 or extra[name] not in choices):
            raise Refused(ILLEGAL, f"extra.{name} must be one of {', '.join(choices)}")
    if "jobkey" in extra and _JOBKEY.fullmatch(extra["jobkey"]) is None:
        raise Refused(ILLEGAL, "extra.jobkey must be 1 to 20 of 0-9 A-Z a-z _ - and not start with _")
    if "callback" in extra:
        _check_callback(extra)


def _check_effect(extra: dict[str, str]) -> None:
    effect = extra.get("notify_effect")
    if effect is None:
        return
    if effect not in ("1", "2", "3"):
        raise Refused(ILLEGAL, "extra.notify_effect must be 1, 2 or 3")
    if effect == "2" and not (extra.get("intent_uri") or extra.get("class_name")):
        raise Refused(ILLEGAL, "extra.notify_effect 2 needs extra.intent_uri")
    if effect == "3" and not extra.get("web_uri", "").startswith(("http://", "https://")):
        raise Refused(ILLEGAL, "extra.notify_effect 3 needs an http(s) address in extra.web_uri")


def _check_callback(extra: dict[str, str]) -> None:
    if not extra["callback"].startswith(("http://", "https://")) or _bytes(extra["callback"]) > 128:
        raise Refused(CALLBACK_WRONG, "extra.callback must be an http(s) address of at most 128 bytes")
    if _bytes(extra.get("callback.param", "")) > 64:
        raise Refused(CALLBACK_WRONG, "extra.callback.param must have at most 64 bytes")
    if re.fullmatch(r"\d{1,9}", extra.get("callback.type", "3")) is None:
        raise Refused(CALLBACK_WRONG, "extra.callback.type must be a number")


def _channel(extra: dict[str, str], channels: dict[str, MiChannel], *, needs_channel: bool) -> MiChannel | None:
    channel_id = extra.get("channel_id", "")
    if not channel_id:
        if needs_channel:
            raise Refused(CHANNEL_WRONG, "extra.channel_id is required for this app")
        return None
    channel = channels.get(channel_id)
    if channel is None:
        raise Refused(CHANNEL_WRONG, f"channel {channel_id} is unknown")
    if not channel.audited:
        raise Refused(CHANNEL_WRONG, f"channel {channel_id} is not audited")
    return channel


def _from_template(extra: dict[str, str], channel: MiChannel | None, templates: dict[str, MiTemplate]) -> tuple[str, str]:
    """Title and text as Xiaomi assembles them."""
    template = templates.get(extra["template_id"])
    if template is None:
        raise Refused(ILLEGAL, f"template {extra['template_id']} is unknown")
    if channel is None or template.channel_id != channel.id:
        raise Refused(ILLEGAL, f"template {template.id} is not bound to the channel of this message")
    values = _template_values(extra.get("template_param", "{}"))
    if frozenset(values) != template.variables:
        raise Refused(ILLEGAL, f"template {template.id} takes exactly the variables {', '.join(sorted(template.variables))}")
    for name, value in values.items():
        _check_value(name, value)

    def put(match: re.Match[str]) -> str:
        return values[match[1]]

    return _VARIABLE.sub(put, template.title), _VARIABLE.sub(put, template.text)


def _template_values(text: str) -> dict[str, str]:
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(ILLEGAL, "extra.template_param is not JSON") from None
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise Refused(ILLEGAL, "extra.template_param must be a JSON object of strings")
    if len(values) > MAX_VARIABLES:
        raise Refused(ILLEGAL, f"a template has at most {MAX_VARIABLES} variables")
    return values


def _check_value(name: str, value: str) -> None:
    if not 1 <= len(value) <= MAX_VALUE_CHARS or not value.strip():
        raise Refused(ILLEGAL, f"template variable {name} must have 1 to {MAX_VALUE_CHARS} characters and not be blank")
    for char in value:
        if unicodedata.category(char) in ("So", "Cn"):
            raise Refused(ILLEGAL, f"template variable {name} has the character U+{ord(char):04X}, which is not allowed")
