"""A push in memory, on its way to a vendor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from homing.channels.base import Capabilities, CommonOptions
from homing.model.apps import App, AppSettings
from homing.model.certificates import Certificate
from homing.model.messages import Element, Message
from homing.model.notification import Notification
from homing.model.outcome import Grant, Outcome, TransportFailure, VendorRequest, VendorResponse
from homing.model.push import Reason
from homing.model.push_info import NO_WISHES, OfflinePushInfo
from homing.rules import content
from homing.rules.decision import DeviceSnapshot, MessageTraits
from homing.store.push_queue import ClaimedRow

from .fan_out import certificate_state

_decode_elements = msgspec.json.Decoder(tuple[Element, ...]).decode
_decode_info = msgspec.json.Decoder(OfflinePushInfo).decode


class Job(msgspec.Struct, gc=False):
    """One claimed push with its notification."""

    push_id: int
    message_id: int
    device_id: int
    token: str
    notification: Notification
    expires_at_ms: int
    replaces: str
    created_at_ms: int
    attempts: int = 0
    attempts_before: int = 0  # made before somebody had it tried again: they do not count against it
    refreshed: bool = False  # the log-in was renewed for it once already


Answer = VendorResponse | TransportFailure
Times = tuple[int, int]  # when the request went out, and after how long it was answered, in milliseconds
Used = tuple[Grant | None, Certificate | None]  # what the request was made with; another may be in use when it is answered


class Sender(Protocol):
    """The transport, as a lane uses it."""

    def submit(self, request: VendorRequest, pool: str, done: Callable[[Answer], object], *, reconnect: bool = False) -> object:
        """Send; ``done`` is called exactly once, on the loop, perhaps before this returns."""
        ...


def badge_parts_requests(capabilities: Capabilities, options: CommonOptions) -> bool:
    """Whether numbers that are not shown would keep equal notifications out of one request."""
    shows_number = capabilities.badge and not capabilities.badge_by_one
    shows_badge = shows_number and (not capabilities.badge_option or bool(getattr(options, capabilities.badge_option)))
    return capabilities.batch_size > 1 and not shows_badge


def fitted(notification: Notification, *, badgeless: bool, public: bool) -> Notification:
    """A notification as its certificate sends it.

    ``badgeless``: no badge is shown, and what differs from receiver to receiver must not keep them out of one request.
    ``public``: the operator says that nothing of this certificate is private; a message's own wish for a vendor's class still wins.
    """
    if badgeless and notification.badge is not None:
        notification = msgspec.structs.replace(notification, badge=None)
    if public and notification.notification_class != "public":
        notification = msgspec.structs.replace(notification, notification_class="public")
    return notification


class Authority(Protocol):
    """What a lane asks of the certificates."""

    async def get(self, sdkappid: int, business_id: int) -> Certificate | None:
        """The certificate as it is now."""
        ...

    async def pause(self, sdkappid: int, business_id: int, reason: str) -> None:
        """Stop using a certificate whose credentials the vendor refused."""
        ...


class Logins(Protocol):
    """Vendor log-in grants, shared and single-flight."""

    async def grant(self, certificate: Certificate) -> Grant | Outcome | None:
        """A valid grant, what the refusal means, or None where the vendor needs no log-in."""
        ...

    def invalidate(self, certificate: Certificate, used: Grant) -> None:
        """The vendor no longer takes this grant."""
        ...


class AppDirectory(Protocol):
    """Where settings come from."""

    async def get(self, sdkappid: int) -> App | None:
        """The app, or None."""
        ...


def message_of(row: ClaimedRow) -> Message:
    """The message behind a claimed push."""
    return Message(
        message_id=row.message_id,
        sdkappid=row.sdkappid,
        from_account=row.from_account,
        to_account=row.to_account,
        seq=row.seq,
        random=row.random,
        timestamp=row.timestamp,
        flags=row.flags,
        body=row.body,
        push_info=row.push_info,
        cloud_custom_data=row.cloud_custom_data,
        to_seq=row.to_seq,
        from_seq=row.from_seq,
        expires_at_ms=row.message_expires_at_ms,
        revoked=row.revoked_at_ms > 0,
        group_id=row.group.group_id if row.group is not None else "",
    )


def traits_of(message: Message, elements: tuple[Element, ...], info: OfflinePushInfo) -> MessageTraits:
    """What the decision needs to know of a stored message."""
    return MessageTraits(push_flag=info.PushFlag, online_only=bool(message.flags & 1), describable=content.describable(elements, info))


def wishes_of(message: Message) -> tuple[tuple[Element, ...], OfflinePushInfo]:
    """The elements and the sender's wishes of a stored message."""
    info = NO_WISHES if message.push_info is None else _decode_info(message.push_info)
    return _decode_elements(message.body), info


def notification_of(row: ClaimedRow, message: Message, settings: AppSettings) -> Notification:
    """The notification of a claimed push, composed anew: equal to the one that was composed when it was accepted."""
    elements, info = wishes_of(message)
    return content.compose(
        message=message,
        elements=elements,
        info=info,
        nick=row.nick or "",
        settings=settings,
        language=row.language or settings.language,
        platform=row.platform or "",
        badge=row.badge,
        default_title=row.group.name if row.group is not None else "",
    )


def snapshot_of_claim(row: ClaimedRow) -> DeviceSnapshot | None:
    """The device of a claimed push as the decision sees it, or None when it is gone."""
    if row.session_state is None:
        return None
    return DeviceSnapshot(
        session_state=row.session_state,
        platform=row.platform or "",
        connected=row.reason == Reason.FOREGROUND,  # it was, when the message was handed to its socket
        app_state=row.app_state or "",
        last_seen_ms=row.last_seen_ms or 0,
        has_token=bool(row.token),
        certificate=certificate_state(row.channel, row.paused_reason),
        is_sender_account=row.from_account == row.user_id,
        session_expires_at_ms=row.session_expires_at_ms or 0,
    )
