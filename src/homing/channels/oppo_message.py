"""OPPO's message object: a form field of JSON, with the parameters of a tap as JSON inside a text (vendor sheet oppo, section 3)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote_plus

import msgspec

from homing.channels.clicks import opens_page, page_action
from homing.channels.content import cut_units, wish
from homing.channels.oppo_fields import OppoOptions
from homing.channels.oppo_templates import filled, placeholders
from homing.channels.urls import auth_endpoint, base, receipt_url
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.rules.intents import activity_of, parse_intent_uri, with_extras
from homing.rules.text import clean

HOSTS: Final = {"china": "https://api.push.oppomobile.com", "overseas": "https://api-intl.push.oppomobile.com"}
AUTH_PATH: Final = "/server/v1/auth"
MAX_TITLE: Final = 50
MAX_BODY: Final = 50  # style 1; more is taken and cut on the screen (section 9, trap 8)
MAX_LONG_BODY: Final = 128  # style 2
MAX_PARAMETERS: Final = 4000
MAX_TTL_SECONDS: Final = 864_000
MAX_CALLBACK: Final = 200
MARKETING: Final = frozenset({"NEWS", "CONTENT", "MARKETING", "SOCIAL"})
OURS: Final = ("push_id", "msg_id", "conv")
_MAX_SUBTITLE: Final = 10
_MAX_URL: Final = 2000
_MAX_CALLBACK_PARAMETER: Final = 100
_BLANK: Final = "新消息"  # an empty title or text is refused
_LEVELS: Final = frozenset({1, 2, 16})
_encode: Final = msgspec.json.Encoder().encode


class Prepared:
    """What one certificate always needs."""

    __slots__ = ("auth_url", "callback", "click", "content_mapping", "intent", "sends_parameters", "title_mapping", "url")

    def __init__(self, certificate: Certificate) -> None:
        options: OppoOptions = certificate.options
        self.url = base(options.base_url, HOSTS.get(options.region, HOSTS["china"]))
        self.auth_url = auth_endpoint(options.auth_url, self.url + AUTH_PATH, AUTH_PATH)
        self.click, self.intent = click(options)
        # Of a URL the parameters become its query: a web page is not told what the chat is about.
        self.sends_parameters = self.click["click_action_type"] in {0, 1, 4}
        callback = receipt_url(options.callback_base_url, certificate.receipt_path)
        self.callback = callback if len(callback) <= MAX_CALLBACK else ""
        self.title_mapping = placeholders(options.template_title) or {}
        self.content_mapping = placeholders(options.template_content) or {}


class Job(msgspec.Struct, frozen=True):
    """One notification on its way through one certificate."""

    notification: Notification
    options: OppoOptions
    prepared: Prepared
    now_ms: int

    def messages(self, targets: Sequence[Target]) -> list[str]:
        """The message object of each target, form-encoded. What all have in common is encoded once."""
        title, content = self.texts()
        common = hashlib.sha256(f"{self.notification.msg_id}\0{title}\0{content}\0".encode())
        parameters, ours = self.parameters()
        shown = _encode(self.shown(title, content, parameters))
        escaped = _encode(_object(parameters))[2:-2]  # as a text in a text, without quotes and braces
        before_id = quote_plus(b',"verify_registration_id":true,"notification":{"app_message_id":"')
        after_id = b'",' + shown[1:-1]
        if not self.prepared.sends_parameters:
            ours, end = False, b"}}"
        elif ours:
            after_id += b',"action_parameters":"{\\"push_id\\":\\"'
            end = b'\\"' + (b"," + escaped if escaped else b"") + b'}"}}'
        else:
            end = b',"action_parameters":"{' + escaped + b'}"}}'
        start = quote_plus(b'{"target_type":2,"target_value":')
        after, tail = quote_plus(after_id), quote_plus(end)
        found = []
        for target in targets:
            token = clean(target.token)
            once = common.copy()
            once.update(token.encode())
            push_id = str(target.push_id) if ours else ""
            found.append(f"{start}{quote_plus(_encode(token))}{before_id}{once.hexdigest()[:32]}{after}{push_id}{tail}")
        return found

    def texts(self) -> tuple[str, str]:
        notification = self.notification
        title = cut_units(clean(notification.title, newlines=False).strip() or _BLANK, MAX_TITLE)
        return title, cut_units(notification.body.strip() or _BLANK, MAX_LONG_BODY)

    def shown(self, title: str, content: str, parameters: dict[str, msgspec.Raw]) -> dict[str, Any]:
        """``notification`` (section 3.1) but for app_message_id and action_parameters."""
        notification = self.notification
        long = notification.wishes.AndroidInfo.PushStyle == 1 or cut_units(content, MAX_BODY) != content
        shown: dict[str, Any] = {"style": 2 if long else 1, "title": title, "content": content}
        if subtitle := cut_units(clean(notification.subtitle, newlines=False).strip(), _MAX_SUBTITLE):
            shown["sub_title"] = subtitle
        shown |= self.prepared.click
        if self.prepared.intent:
            with_ext = with_extras(self.prepared.intent, {name: _extra(value) for name, value in parameters.items()})
            shown["click_action_url"] = with_ext if len(with_ext) <= _MAX_URL else self.prepared.intent
        ttl = min(max(notification.ttl_seconds(self.now_ms), 1), MAX_TTL_SECONDS)
        shown |= {"off_line": True, "off_line_ttl": ttl, "notify_id": notification.notify_id & 0x7FFFFFFF}
        shown |= self.classified(title, content)
        if self.options.badge and notification.badge is not None:
            shown |= {"badge_operation_type": 0, "badge_message_count": min(max(notification.badge, 0), 999)}
        if self.prepared.callback:
            shown["call_back_url"] = self.prepared.callback
            parameter = f"m:{notification.msg_id}"
            if len(parameter) <= _MAX_CALLBACK_PARAMETER:
                shown["call_back_parameter"] = parameter
        return shown

    @property
    def fits(self) -> bool:
        """A private certificate's channel, category and template are never used for a public message."""
        return self.notification.notification_class == "private" or self.options.notification_class == "public"

    def place(self) -> tuple[str, str]:
        """Channel and category. With a category the phone's system makes a channel itself; with neither nothing is shown."""
        wishes, options = self.notification.wishes.AndroidInfo, self.options
        channel = wish(wishes.OPPOChannelID, options.channel_id if self.fits else options.public_channel_id)
        certificates = options.category if self.fits or not options.category else "MARKETING"
        return channel, wish(wishes.OPPOCategory, certificates).upper()

    def classified(self, title: str, content: str) -> dict[str, Any]:
        """Channel, category, level and template (section 8). Under the old rule neither category nor level may be sent."""
        wishes, options = self.notification.wishes.AndroidInfo, self.options
        channel, category = self.place()
        found: dict[str, Any] = {"channel_id": channel} if channel else {}
        if category:
            found["category"] = category
            level = wishes.OPPONotifyLevel if wishes.OPPONotifyLevel in _LEVELS else options.notify_level
            if level and category not in MARKETING:
                found["notify_level"] = level
        template = wish(wishes.OPPOPrivateMsgTemplateId, options.template_id if self.fits else "")
        if template and category not in MARKETING:
            found["private_msg_template_id"] = template
            if self.prepared.title_mapping:  # an empty object is refused
                found["private_title_parameters"] = filled(self.prepared.title_mapping, title, content)
            if self.prepared.content_mapping:
                found["private_content_parameters"] = filled(self.prepared.content_mapping, title, content)
        return found

    def parameters(self) -> tuple[dict[str, msgspec.Raw], bool]:
        """What becomes extras of the opened page: the ext's own top-level keys, and ours where they fit."""
        ext = ext_parameters(self.notification.ext)
        ours = {"msg_id": _raw(self.notification.msg_id), "conv": _raw(self.notification.conversation_id)}
        if _units(ours | ext) <= MAX_PARAMETERS - 40:  # room for the push's own id
            return ours | ext, True
        return (ext, False) if _units(ext) <= MAX_PARAMETERS else (ours, True)


def ext_parameters(ext: str) -> dict[str, msgspec.Raw]:
    """An ext that is a JSON object, key by key; any other one wrapped under ``ext``, because it would be lost silently (section 9, trap 1).

    So is an object with keys that mean something else in the extras: they could not be told from ours afterwards.
    """
    if not ext:
        return {}
    try:
        found = msgspec.json.decode(ext, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = {}
    if not found or "ext" in found or "" in found or any(name in found for name in OURS):
        return {"ext": _raw(ext)}
    return found


def _raw(value: str) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def _object(parameters: dict[str, msgspec.Raw]) -> str:
    return _encode(parameters).decode()


def _units(parameters: dict[str, msgspec.Raw]) -> int:
    encoded = _object(parameters)
    return len(encoded) + sum(character > "\uffff" for character in encoded)


def _extra(value: msgspec.Raw) -> str:
    """A parameter as the text of an extra."""
    encoded = bytes(value)
    return str(msgspec.json.decode(encoded)) if encoded[:1] == b'"' else encoded.decode()


def click(options: OppoOptions) -> tuple[dict[str, Any], str]:
    """``click_action_type`` (section 3.1) with its target, and the intent URI that the ext is put into, "" where it is not.

    A page that cannot be opened is the app's first one. An activity is opened by its class name: only then the parameters arrive as extras.
    """
    value = options.click_value
    if options.click_action == "web" and value:
        return {"click_action_type": 2, "click_action_url": value}, ""
    if not opens_page(options):
        return {"click_action_type": 0}, ""
    if action := page_action(options):
        return {"click_action_type": 1, "click_action_activity": action}, ""
    if activity := activity_of(value):
        full = options.package_name + activity if activity.startswith(".") else activity
        return {"click_action_type": 4, "click_action_activity": full}, ""
    intent = parse_intent_uri(value)
    if intent is not None and intent.action and not intent.data:
        return {"click_action_type": 1, "click_action_activity": intent.action}, ""
    return ({"click_action_type": 5, "click_action_url": value}, value) if intent is not None else ({"click_action_type": 0}, "")
