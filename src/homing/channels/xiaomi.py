"""Xiaomi Mi Push (vendor sheet xiaomi)."""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec

from homing.channels import xiaomi_receipts, xiaomi_templates
from homing.channels.answers import ext_text, json_object, one_line, retry_after, text
from homing.channels.base import Capabilities, CommonCredentials, CommonOptions, FieldProblem, field
from homing.channels.checks import common_problems, missing
from homing.channels.clicks import page_intent, page_problem
from homing.channels.content import Content, cleaned, cut_units, fit, raw_sound, wish
from homing.channels.statics import Statics
from homing.channels.urls import base, receipt_url
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse
from homing.rules.text import clean

_HOSTS: Final = {
    "china": "https://api.xmpush.xiaomi.com",
    "russia": "https://ru-api.xmpush.global.xiaomi.com",
    "india": "https://idmb-api.xmpush.global.xiaomi.com",
    "europe": "https://fr-api.xmpush.global.xiaomi.com",
    "global": "https://sgp-api.xmpush.global.xiaomi.com",
}
_PATH: Final = "/v3/message/regid"
_BATCH: Final = 1000
_MAX_TITLE_UNITS: Final = 49  # "less than 50"
_MAX_BODY_UNITS: Final = 127  # "less than 128"
_MESSAGE_LIMIT_BYTES: Final = 4096  # without the ids and before form encoding
_MAX_OWN_PARAM_BYTES: Final = 1536  # leaves room for everything else
_EXTRAS_LIMIT: Final = 1024  # own keys and values together
_MAX_PRIVATE_TTL_MS: Final = 10 * 86_400_000
_MAX_PUBLIC_TTL_MS: Final = 86_400_000
_MAX_CALLBACK_BYTES: Final = 128
_MAX_CALLBACK_PARAM_BYTES: Final = 64
_CALLBACK_TYPES: Final = str(1 + 2 + 16 + 32 + 64 + 128 + 1024)  # a bit that does not exist turns all receipts off
_DAY_MS: Final = 86_400_000
_CHINA_MS: Final = 8 * 3_600_000


class XiaomiCredentials(CommonCredentials, frozen=True, kw_only=True):
    """The server's secret of an app."""

    app_secret: Annotated[
        str, field("App secret", "AppSecret", "Of the app in Xiaomi's developer console", "小米开放平台应用的 AppSecret", secret=True)
    ]


class XiaomiOptions(CommonOptions, frozen=True, kw_only=True):
    """Options of a Xiaomi certificate."""

    region: Annotated[
        str,
        field(
            "Region", "地区", "Where the phones are registered", "设备注册的地区", choices=("china", "russia", "india", "europe", "global")
        ),
    ] = "china"
    template_id: Annotated[
        str,
        field("Template ID", "模板 ID", "Bound to the channel; required for private messages since 2026", "与通道绑定；2026 年起私信必填"),
    ] = ""
    template_param: Annotated[
        str,
        field(
            "Template variables",
            "模板变量",
            'JSON, e.g. {"nick":"{title}","text":"{body}"}: {title} and {body} are filled in',
            'JSON，例如 {"nick":"{title}","text":"{body}"}，其中 {title}、{body} 会被替换',
        ),
    ] = ""
    template_fallback: Annotated[
        str,
        field(
            "Fallback word",
            "替代文字",
            "Stands for a text of which nothing may be sent, e.g. an emoji",
            "内容不可发送（如纯表情）时的替代文字",
        ),
    ] = "新消息"
    notify_type: Annotated[
        int,
        field(
            "Notify type",
            "提醒方式",
            "Sum of 1 sound, 2 vibration, 4 light; -1 all, 0 silent",
            "1 响铃、2 震动、4 呼吸灯之和；-1 全部，0 静默",
            ge=-1,
            le=7,
        ),
    ] = -1


class _Prepared:
    """What one certificate always needs: the fields that no message changes."""

    __slots__ = ("fixed", "headers", "mapping", "url")

    def __init__(self, certificate: Certificate) -> None:
        options: XiaomiOptions = certificate.options
        secret = certificate.credentials.app_secret
        self.url = base(options.base_url, _HOSTS.get(options.region, _HOSTS["china"])) + _PATH
        self.headers = (
            ("authorization", f"key={secret}"),  # lower case and no space (section 9, trap 1)
            ("content-type", "application/x-www-form-urlencoded; charset=UTF-8"),
        )
        self.mapping = xiaomi_templates.variables(options.template_param) if options.template_param else None
        self.fixed = {"pass_through": "0", "notify_type": str(options.notify_type)} | _click(options)
        if options.package_name:
            self.fixed["restricted_package_name"] = options.package_name
        callback = receipt_url(options.callback_base_url, certificate.receipt_path)
        if callback and len(callback.encode()) <= _MAX_CALLBACK_BYTES:
            self.fixed |= {"extra.callback": callback, "extra.callback.type": _CALLBACK_TYPES}


_PREPARED: Final = Statics(_Prepared)

_REFUSED: Final = OutcomeKind.MESSAGE_REFUSED
_CREDENTIALS: Final = OutcomeKind.CREDENTIALS_REFUSED


def _table() -> dict[int, OutcomeKind]:
    """Section 4, codes. 0, 20301 and 10029 stand apart: they speak of tokens."""
    rows: dict[OutcomeKind, tuple[int, ...]] = {
        OutcomeKind.VENDOR_DOWN: (-1, 1, 10001, 10002, 10003, 10009, 10010, 10011, 20607, 26003, 65029),
        _CREDENTIALS: (
            *(10004, 10005, 10014, 10025, 10026, 10031, 10036, 21301, 21302, 21303),
            *(22000, 22001, 22006, 22007, 22008, 22022, 65036, 65037, 65038),
        ),
        OutcomeKind.THROTTLED: (*(10022, 10023, 10024, 10027, 10028, 10030, 10032, 10033, 10035, 10038, 10039, 26004, 200002),),
        OutcomeKind.QUOTA_APP: (10034, 200001),
        OutcomeKind.CLASS_REFUSED: (26006, 27001),
        OutcomeKind.UNKNOWN: (10037, 22102, 65003),  # worth another try later; 65003: the phone is offline
        _REFUSED: (
            *(10008, 10012, 10016, 10017, 10018, 10020, 10021, 20209, 20215, 20216, 21305, 65007, 65008, 65009, 65010),
            *(65011, 65012, 65013, 65014, 65015, 65016, 65017, 65028, 65035),
        ),
    }
    return {code: kind for kind, codes in rows.items() for code in codes}


_BY_CODE: Final = _table()
_BY_STATUS: Final[dict[int, OutcomeKind]] = {
    200: OutcomeKind.UNKNOWN,
    401: _CREDENTIALS,
    403: _CREDENTIALS,
    404: _CREDENTIALS,
    429: OutcomeKind.THROTTLED,
}


class XiaomiChannel:
    """Xiaomi: a form for up to 1000 ids, a static key."""

    name: str = "xiaomi"
    title_en: str = "Xiaomi Mi Push"
    title_zh: str = "小米推送"
    push_platform: int = 2
    platforms: frozenset[str] = frozenset({"android"})
    capabilities: Capabilities = Capabilities(
        batch_size=_BATCH,
        click_actions=("launcher", "page", "web"),
        custom_sound=True,
        channel_id=True,
        classes=True,
        title_limit=_MAX_TITLE_UNITS,
        body_limit=_MAX_BODY_UNITS,
        payload_limit_bytes=_MESSAGE_LIMIT_BYTES,
        max_ttl_seconds=_MAX_PRIVATE_TTL_MS // 1000,
        receipts=True,
        requests_per_second=500,
        app_quota=True,
        daily_public=20_000,
        device_daily_public=5,
    )
    credentials_type: type[msgspec.Struct] = XiaomiCredentials
    options_type: type[msgspec.Struct] = XiaomiOptions

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Sections 3 and 8: the package, the template's variables, the receipt URL, the channel."""
        options: XiaomiOptions = certificate.options
        found = missing("app_secret", certificate.credentials.app_secret) + missing("package_name", options.package_name)
        if not certificate.credentials.app_secret.isascii():
            found.append(FieldProblem("app_secret", "app_secret has characters that no secret has", "Copy it again from the console"))
        if options.region not in _HOSTS:
            found.append(FieldProblem("region", f"region is none of {', '.join(_HOSTS)}", "Use one of them"))
        if problem := page_problem(options):
            found.append(problem)
        return found + _template_problems(options) + common_problems(options, self.capabilities) + _warnings(certificate)

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """None: the key is static (section 2)."""
        return None

    def login_identity(self, certificate: Certificate) -> str:
        """Each certificate logs in for itself."""
        return ""

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """Xiaomi has no log-in request."""
        return Outcome(OutcomeKind.UNKNOWN, str(response.status))

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """One form for up to 1000 targets. A lone target's request names its push_id too."""
        prepared = _PREPARED.get(certificate)
        options: XiaomiOptions = certificate.options
        secrets = (certificate.credentials.app_secret,)
        requests = []
        for start in range(0, len(targets), _BATCH):
            batch = tuple(targets[start : start + _BATCH])
            try:
                body = _Job(notification, options, prepared, now_ms).body(batch)
            except UnicodeEncodeError:
                body = _Job(cleaned(notification), options, prepared, now_ms).body(batch)
            requests.append(VendorRequest("POST", prepared.url, prepared.headers, body, batch, secrets=secrets, ca_file=options.ca_file))
        return requests

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """Section 4: the body's code, else the HTTP status."""
        answer = json_object(response.body)
        code = answer.get("code")
        if isinstance(code, str) and code.lstrip("-").isdigit():
            code = int(code)
        if not isinstance(code, int) or isinstance(code, bool):
            return [_by_status(response, now_ms)] * len(request.targets)
        if code == 0:
            return _accepted(request.targets, answer)
        words = one_line(answer.get("reason") or answer.get("description"))
        return [_refused(code, words, response, len(request.targets), now_ms)] * len(request.targets)

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """Section 6. There is no signature: the receipt path is the secret."""
        return xiaomi_receipts.read(request, now_ms)

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The client hands over a message object: ext among its extras, or as its payload where it was too long for them."""
        message = extras.get("key_message", extras)
        if not isinstance(message, dict):
            return None
        inner = message.get("extra")
        found = ext_text(inner) if isinstance(inner, dict) else None
        return found or ext_text(message) or ext_text(message, "content") or ext_text(message, "payload")


class _Job(msgspec.Struct, frozen=True):
    """One notification on its way to a batch of targets through one certificate."""

    notification: Notification
    options: XiaomiOptions
    prepared: _Prepared
    now_ms: int

    def body(self, targets: Sequence[Target]) -> bytes:
        """The form, encoded once (section 9, trap 3)."""
        notification, fallback = self.notification, self.options.template_fallback
        title = clean(notification.title, newlines=False).strip() or fallback
        content = Content(title, notification.body.strip() or fallback, notification.ext)
        push_id = str(targets[0].push_id) if len(targets) == 1 else ""
        form = self.form(content, push_id)
        if _size(form) > _MESSAGE_LIMIT_BYTES:
            form = self.form(fit(content, lambda smaller: _size(self.form(smaller, push_id)), _MESSAGE_LIMIT_BYTES), push_id)
        tokens = dict.fromkeys(_regid(target.token) for target in targets)
        return urlencode({"registration_id": ",".join(tokens)} | form).encode()

    def form(self, content: Content, push_id: str) -> dict[str, str]:
        """Every field but the ids (section 3)."""
        notification = self.notification
        form: dict[str, str] = dict(self.prepared.fixed)
        form["title"] = cut_units(content.title, _MAX_TITLE_UNITS)
        form["description"] = cut_units(content.body, _MAX_BODY_UNITS)
        form["notify_id"] = str(notification.notify_id & 0x7FFFFFFF)
        form["time_to_live"] = str(self.ttl_ms())
        form |= self.classified(content)
        if sound := self.sound():
            form["extra.sound_uri"] = sound
        param = f"m:{notification.msg_id}"
        if "extra.callback" in form and len(param.encode()) <= _MAX_CALLBACK_PARAM_BYTES:
            form["extra.callback.param"] = param
        own, payload = self.own(content, push_id)
        if payload:
            form["payload"] = payload
        return form | {f"extra.{name}": value for name, value in own.items()}

    def ttl_ms(self) -> int:
        longest = _MAX_PRIVATE_TTL_MS if self.notification.notification_class == "private" else _MAX_PUBLIC_TTL_MS
        return min(max(self.notification.ttl_seconds(self.now_ms) * 1000, 1000), longest)

    def classified(self, content: Content) -> dict[str, str]:
        """Channel and template (section 8). Public messages never use a private certificate's: that is punished."""
        wishes, options = self.notification.wishes.AndroidInfo, self.options
        fits = self.notification.notification_class == "private" or options.notification_class == "public"
        channel = wish(wishes.XiaoMiChannelID, options.channel_id if fits else "")
        template = wish(wishes.XiaoMiTemplateId, options.template_id if fits else "")
        form = {"extra.channel_id": channel} if channel else {}
        if template:
            form["extra.template_id"] = template
            if param := self.template_param(content):
                form["extra.template_param"] = param
        return form

    def template_param(self, content: Content) -> str:
        """The message's own variables, else the certificate's mapping filled in, as JSON."""
        fallback = self.options.template_fallback
        wanted = self.notification.wishes.AndroidInfo.XiaoMiTemplateParam
        own = xiaomi_templates.variables(wanted) if isinstance(wanted, str) else xiaomi_templates.as_texts(wanted)
        if own:
            param = xiaomi_templates.sanitised(own, fallback)
            if len(param.encode()) <= _MAX_OWN_PARAM_BYTES:
                return param
        mapping = self.prepared.mapping
        return xiaomi_templates.sanitised(xiaomi_templates.filled(mapping, content.title, content.body), fallback) if mapping else ""

    def sound(self) -> str:
        """A raw resource of the app; since Android 8 the channel's tone wins (section 3)."""
        name, package = raw_sound(self.notification.wishes.AndroidInfo.Sound, self.options.sound), self.options.package_name
        return f"android.resource://{package}/raw/{name}" if name and package else ""

    def own(self, content: Content, push_id: str) -> tuple[dict[str, str], str]:
        """Our extras within their limit, and the payload: it takes an ext that is too long for the extras."""
        own: dict[str, str] = {}
        if content.ours:
            own = {"msg_id": self.notification.msg_id, "conv": self.notification.conversation_id}
            if push_id:
                own["push_id"] = push_id
        if not content.ext:
            return own, ""
        if _size(own | {"ext": content.ext}) <= _EXTRAS_LIMIT:
            return own | {"ext": content.ext}, ""
        return own, content.ext


def _size(fields: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in fields.items())


def _regid(token: str) -> str:
    """A comma separates ids, so none may be inside one."""
    return token.replace(",", "")


def _click(options: XiaomiOptions) -> dict[str, str]:
    """``notify_effect`` (section 3): 1 launcher, 2 a page, 3 a web page."""
    if intent := page_intent(options):
        return {"extra.notify_effect": "2", "extra.intent_uri": intent}
    if options.click_action == "web" and options.click_value:
        return {"extra.notify_effect": "3", "extra.web_uri": options.click_value}
    return {"extra.notify_effect": "1"}


def _accepted(targets: Sequence[Target], answer: dict[str, Any]) -> list[Outcome]:
    """Code 0, with the ids that are bad all the same."""
    data = answer.get("data")
    data = data if isinstance(data, dict) else {}
    bad = {regid.strip() for name in ("bad_regids", "bad_regIds") for regid in text(data.get(name)).split(",") if regid.strip()}
    accepted = Outcome(OutcomeKind.ACCEPTED, "0", vendor_message_id=(text(data.get("id")) or text(answer.get("trace_id")))[:256])
    if not bad:
        return [accepted] * len(targets)
    dead = Outcome(OutcomeKind.TOKEN_DEAD, "0", "bad_regids", evidence=Evidence.TOKEN)
    return [dead if _regid(target.token) in bad else accepted for target in targets]


def _refused(code: int, words: str, response: VendorResponse, targets: int, now_ms: int) -> Outcome:
    if code in {20301, 10029}:  # for a batch nobody knows which; each is tried again
        kind = OutcomeKind.TOKEN_DEAD if targets == 1 else OutcomeKind.UNKNOWN
        return Outcome(kind, str(code), words, evidence=Evidence.TOKEN if code == 10029 else Evidence.REQUEST)
    kind = _BY_CODE.get(code) or (OutcomeKind.VENDOR_DOWN if response.status >= 500 else _REFUSED)  # unknown codes: given up
    if kind is OutcomeKind.QUOTA_APP:
        return Outcome(kind, str(code), words, retry_after_seconds=_seconds_to_midnight(now_ms))
    wait = retry_after(response.headers, now_ms) if kind in {OutcomeKind.THROTTLED, OutcomeKind.VENDOR_DOWN} else None
    return Outcome(kind, str(code), words, retry_after_seconds=wait)


def _by_status(response: VendorResponse, now_ms: int) -> Outcome:
    kind = _BY_STATUS.get(response.status)
    if kind is None:
        kind = OutcomeKind.VENDOR_DOWN if response.status >= 500 else _REFUSED if response.status >= 400 else OutcomeKind.UNKNOWN
    return Outcome(kind, str(response.status), retry_after_seconds=retry_after(response.headers, now_ms))


def _seconds_to_midnight(now_ms: int) -> float:
    """Quotas end with the day in China."""
    return (_DAY_MS - (now_ms + _CHINA_MS) % _DAY_MS) / 1000


def _template_problems(options: XiaomiOptions) -> list[FieldProblem]:
    if not options.template_param:
        return []
    if xiaomi_templates.variables(options.template_param) is None:
        sentence = "template_param is not a JSON object of at most nine texts"
        return [FieldProblem("template_param", sentence, 'For example {"nick":"{title}","text":"{body}"}')]
    if not options.template_id:
        return [FieldProblem("template_id", "template_param is given without template_id", "Pass --set template_id=…", warning=True)]
    return []


def _warnings(certificate: Certificate) -> list[FieldProblem]:
    options: XiaomiOptions = certificate.options
    found = []
    if options.notification_class == "private" and not options.channel_id:
        sentence = "without channel_id messages are public: silent, and few a day and device"
        found.append(FieldProblem("channel_id", sentence, "Apply for a private channel in Xiaomi's console", warning=True))
    if len(receipt_url(options.callback_base_url, certificate.receipt_path).encode()) > _MAX_CALLBACK_BYTES:
        sentence = "the receipt URL is longer than the 128 bytes that Xiaomi takes, so there are no receipts"
        found.append(FieldProblem("callback_base_url", sentence, "Use a shorter host or path", warning=True))
    return found
