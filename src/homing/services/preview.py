"""The exact vendor requests of a message, without sending it or logging in with the vendor."""

from __future__ import annotations

from typing import Any

import msgspec

from homing.channels.base import Channel
from homing.model.apps import App
from homing.model.certificates import Certificate
from homing.model.clock import Clock, Ids
from homing.model.messages import Draft, Message, MessageFlags
from homing.model.notification import Target
from homing.model.outcome import Grant, VendorRequest
from homing.model.push_info import NO_WISHES
from homing.rules.content import compose, describable
from homing.rules.masking import mask_all, mask_headers

from .jobs import fitted
from .recorder import readable

#: Stands for the log-in token that a vendor would give.
PLACEHOLDER = "***"
_HOUR_MS = 3_600_000
_encode = msgspec.json.Encoder().encode


def vendor_requests(
    *,
    app: App,
    channel: Channel,
    certificate: Certificate,
    draft: Draft,
    token: str,
    clock: Clock,
    platform: str = "",
    language: str = "",
    nick: str = "",
    badge: int | None = 1,
) -> list[dict[str, Any]]:
    """The requests as JSON values ``{"method","url","headers","body"}``, secrets masked; a JSON body is a value, any other a text.

    ``platform`` defaults to the one that the channel serves, ``language`` to the app's.
    """
    now_ms = clock.now_ms()
    ids = Ids(clock, 0)
    notification = compose(
        message=_message(app, draft, ids.next(), now_ms),
        elements=draft.elements,
        info=draft.push_info or NO_WISHES,
        nick=nick,
        settings=app.settings,
        language=language,
        platform=platform or default_platform(channel),
        badge=badge,
    )
    notification = fitted(notification, badgeless=False, public=certificate.options.notification_class == "public")
    step = channel.login(certificate, now_ms)
    grant = Grant(PLACEHOLDER, now_ms + _HOUR_MS, now_ms) if isinstance(step, VendorRequest) else step
    requests = channel.render(notification, [Target(ids.next(), token)], certificate, grant, now_ms)
    return [_shown(request, grant) for request in requests]


def why_not_pushed(draft: Draft) -> str:
    """The stored reason for which this message would be pushed to nobody, whatever the device; "" when it would be."""
    info = draft.push_info or NO_WISHES
    if info.PushFlag == 1:
        return "sender_opted_out"
    if draft.flags & MessageFlags.ONLINE_ONLY:
        return "online_only"
    return "" if describable(draft.elements, info) else "no_description"


def default_platform(channel: Channel) -> str:
    """The platform that stands for a channel's devices."""
    return "android" if "android" in channel.platforms else min(channel.platforms, key=lambda name: (name != "ios", name))


def _message(app: App, draft: Draft, message_id: int, now_ms: int) -> Message:
    return Message(
        message_id=message_id,
        sdkappid=app.sdkappid,
        from_account=draft.from_account,
        to_account=draft.to_account,
        seq=draft.seq or 0,
        random=draft.random,
        timestamp=now_ms // 1000,
        flags=int(draft.flags),
        body=_encode(draft.elements),
        push_info=None if draft.push_info is None else _encode(draft.push_info),
        cloud_custom_data=draft.cloud_custom_data,
        to_seq=None,
        from_seq=None,
        expires_at_ms=now_ms + draft.lifetime_seconds * 1000,
    )


def _shown(request: VendorRequest, grant: Grant | None) -> dict[str, Any]:
    hidden = [*request.secrets, *([grant.access_token] if grant is not None and grant.access_token != PLACEHOLDER else [])]
    text = mask_all(readable(request.body), hidden)
    body: Any = text
    if text.lstrip()[:1] in ("{", "["):
        try:
            body = msgspec.json.decode(text)
        except msgspec.DecodeError:
            body = text
    return {
        "method": request.method,
        "url": mask_all(request.url, hidden),
        "headers": dict(mask_headers(request.headers, hidden)),
        "body": body,
    }
