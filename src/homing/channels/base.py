"""What a vendor is: the protocol that every channel fills in, and the metadata of its certificate fields.

A channel turns values into values. It never opens a socket, reads a clock or raises for a vendor's no.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol

import msgspec

from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant, Outcome, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push import Reason


class FieldInfo(msgspec.Struct, frozen=True):
    """How a certificate field is presented: form label, secret or not, help. Put into ``msgspec.Meta(extra=...)``."""

    label_en: str
    label_zh: str
    help_en: str = ""
    help_zh: str = ""
    secret: bool = False
    file: bool = False  # the value is a file's content (--file key=PATH)
    choices: tuple[str, ...] = ()


def field(
    label_en: str,
    label_zh: str,
    help_en: str = "",
    help_zh: str = "",
    *,
    secret: bool = False,
    file: bool = False,
    choices: tuple[str, ...] = (),
    **constraints: Any,
) -> msgspec.Meta:
    """Metadata for one certificate field: ``app_id: Annotated[str, field("App ID", "应用 ID")]``."""
    info = FieldInfo(label_en, label_zh, help_en, help_zh, secret, file, choices)
    return msgspec.Meta(extra={"field": info}, **constraints)


class FieldProblem(msgspec.Struct, frozen=True):
    """Something wrong or risky with a certificate, found before anything is sent."""

    field: str
    sentence: str
    cure: str
    warning: bool = False  # True: it may be saved, but will bite


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor can do and its limits. The capability matrix in the documents is made from these."""

    batch_size: int = 1
    click_actions: tuple[str, ...] = ("launcher",)
    custom_sound: bool = False
    badge: bool = False
    badge_option: str = ""  # the certificate option without which no badge is shown; receivers then share a request
    badge_by_one: bool = False  # the vendor takes no number and raises the badge by one: receivers share a request
    channel_id: bool = False
    classes: bool = False
    image: bool = False
    title_limit: int | None = None  # user-visible characters; None: only the payload limit counts
    body_limit: int | None = None
    payload_limit_bytes: int = 4096
    min_ttl_seconds: int = 0
    max_ttl_seconds: int = 28 * 86_400
    replaces: bool = True  # a notification with the same id takes the place of an earlier one
    withdraws: bool = False  # the app can be told silently to take notifications away, and its badge be set
    recall_option: str = ""  # the certificate option with which the vendor itself takes notifications off phones
    receipts: bool = False
    login_token_seconds: int | None = None  # None: no log-in
    http_version: str = "1.1/2"
    requests_per_second: float | None = None  # the vendor's documented default; None: none documented
    rate_counts_devices: bool = False  # that rate is counted in phones, however many a request has
    max_in_flight: int = 100
    app_quota: bool = False  # the vendor counts an app's notifications a day and refuses the rest: the lane stops until its midnight
    daily_public: int | None = None  # public notifications of an app and day that the smallest app has; None: not published
    daily_private: int | None = None  # the same for the private class; None: unlimited, or not published
    device_daily_public: int | None = None  # public notifications of an app for one device and day
    day_utc_offset_minutes: int = 480  # where the vendor's day begins: China time


class Channel(Protocol):
    """One vendor's protocol, sans I/O."""

    name: str
    title_en: str
    title_zh: str
    push_platform: int  # PushPlatform number of the original product's records
    platforms: frozenset[str]  # device platforms it can reach
    capabilities: Capabilities
    credentials_type: type[msgspec.Struct]
    options_type: type[msgspec.Struct]

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Everything about this certificate that would fail or bite later, without asking the vendor."""
        ...

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """How to get a log-in grant: a request to send, a grant made here (a signed JWT), or None where none is needed."""
        ...

    def login_identity(self, certificate: Certificate) -> str:
        """Who logs in, where several certificates must share one grant (one signer per key); "" for the certificate itself."""
        ...

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """The grant in a log-in answer, or what the refusal means."""
        ...

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """The vendor requests for these targets, batched to the vendor's limit. Never fails: content is cut to the limits."""
        ...

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """What the answer means, one outcome for each target of the request, in order."""
        ...

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """The receipts in a vendor's call on our endpoint. A wrong signature yields none and says so in the status."""
        ...

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The sender's ext out of what this vendor's client hands to the tapped app, or None."""
        ...


class FollowsUp(Protocol):
    """What a channel has besides, whose vendor takes a push in two steps or says how to repair a refused one."""

    def follow_up(self, request: VendorRequest, response: VendorResponse, certificate: Certificate) -> list[VendorRequest]:
        """The requests that go out at once in place of this one, for the same targets; none where its answer is the last word."""
        ...


def follow_ups(channel: Channel, request: VendorRequest, response: VendorResponse, certificate: Certificate) -> list[VendorRequest]:
    """What follows on an answer; most channels never have anything. A chain of these always ends."""
    ask = getattr(channel, "follow_up", None)
    return list(ask(request, response, certificate)) if ask is not None else []


class TakesSharedTokens(Protocol):
    """What a channel has besides, whose tokens clients report without naming a certificate (businessID 0)."""

    def serves(self, certificate: Certificate, platform: str) -> bool:
        """Whether such a token of a device of this platform belongs to this certificate."""
        ...


def serves_shared_tokens(channel: Channel, certificate: Certificate, platform: str) -> bool:
    """Whether a token that is reported with businessID 0 on this platform belongs to this certificate; for most channels none does."""
    ask = getattr(channel, "serves", None)
    return bool(ask(certificate, platform)) if ask is not None else False


class SendsToManyHosts(Protocol):
    """What a channel has besides, whose tokens name the host that they are sent to."""

    def host_group(self, token: str) -> str:
        """The hosts that fail together, for this token: one that is down must not hold up the pushes to others."""
        ...


def host_group_of(channel: Channel) -> Callable[[str], str] | None:
    """How this channel groups its hosts; None where there is one host, as for most channels."""
    return getattr(channel, "host_group", None)


class KnowsWhatIsNotShown(Protocol):
    """What a channel has besides, whose vendor accepts notifications that phones then show nothing of."""

    def not_shown(self, notification: Notification, certificate: Certificate) -> Reason | None:
        """Why no phone would show this notification, so that it is suppressed with its cure; None for every other one."""
        ...


NotShown = Callable[[Notification, Certificate], Reason | None]


def not_shown_by(channel: Channel) -> NotShown | None:
    """How to ask this channel; None where a vendor's yes is worth something, as with most."""
    return getattr(channel, "not_shown", None)


class TakesCallTokens(Protocol):
    """What a channel has besides, whose phones have a token of its own for calls."""

    def call_problem(self, certificate: Certificate) -> FieldProblem | None:
        """Why tokens for calls may not name this certificate, with the cure; None where they may."""
        ...


def call_problem(channel: Channel, certificate: Certificate) -> FieldProblem | None:
    """Why a device's token for calls may not name this certificate; most channels have no such tokens."""
    ask = getattr(channel, "call_problem", None)
    if ask is None:
        sentence = "its channel has no tokens for calls: a call goes to the device's own token there"
        return FieldProblem("channel", sentence, "Leave voip out, or name a certificate for calls: `homing cert list` shows them")
    problem: FieldProblem | None = ask(certificate)
    return problem


Problems = Callable[[Certificate], list[FieldProblem]]


class CommonCredentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the vendors' credentials: whatever holds secrets never shows them."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    __str__ = __repr__


class CommonOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options that every channel has (CONTRACT, names of the certificate fields). Vendors' structs inherit from this."""

    click_action: Annotated[
        str,
        field(
            "Click action",
            "点击后续动作",
            "What a tap opens: the app, a page inside the app, or a web page",
            "点击通知后：打开应用、打开应用内指定界面、打开网页",
            choices=("launcher", "page", "web"),
        ),
    ] = "launcher"
    click_value: Annotated[
        str,
        field(
            "Click value",
            "点击目标",
            "For page: an intent URI, activity or action. For web: a URL",
            "界面：intent URI、Activity 或 action；网页：URL",
        ),
    ] = ""
    channel_id: Annotated[
        str,
        field("Channel ID", "通道 ID", "Notification channel on the phone; a message may override it", "手机上的通知通道；消息可以覆盖"),
    ] = ""
    sound: Annotated[str, field("Sound", "提示音", "Sound file name; a message may override it", "铃声文件名；消息可以覆盖")] = ""
    notification_class: Annotated[
        str,
        field(
            "Notification class",
            "消息分类",
            "private: chat and service messages; public: marketing",
            "private：私信、服务与通讯；public：公信、营销",
            choices=("private", "public"),
        ),
    ] = "private"
    package_name: Annotated[str, field("Package name", "应用包名", "The app's package name", "应用的包名")] = ""
    base_url: Annotated[
        str,
        field(
            "Base URL",
            "接口地址",
            "Replaces the vendor's host, e.g. with a simulator; http:// for loopback only",
            "替换厂商主机，例如模拟器；http:// 只允许回环地址",
        ),
    ] = ""
    auth_url: Annotated[str, field("Log-in URL", "鉴权地址", "Replaces the host where the vendor logs in", "替换厂商的鉴权主机")] = ""
    ca_file: Annotated[str, field("CA file", "CA 证书文件", "Path of a private CA bundle on the server", "服务器上私有 CA 证书的路径")] = ""
    callback_base_url: Annotated[
        str,
        field(
            "Callback base URL",
            "回执基地址",
            "Public address of this server for the vendor's receipts; /v1/receipts/... is added",
            "厂商回执可访问的公网地址；后面会加上 /v1/receipts/…",
        ),
    ] = ""
    requests_per_second: Annotated[
        float, field("Requests per second", "每秒请求数", "0: the vendor's documented default", "0：厂商默认值", ge=0)
    ] = 0
    max_in_flight: Annotated[int, field("Requests in flight", "并发请求数", "0: the channel's default", "0：默认值", ge=0, le=10_000)] = 0
