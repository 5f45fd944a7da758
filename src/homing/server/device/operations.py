"""What a logged-in device can do. HTTPS calls and frames come here alike."""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

import msgspec

from homing.model.apps import App
from homing.model.devices import Device
from homing.model.messages import MAX_LIFETIME_SECONDS, MAX_MESSAGE_BYTES, Accepted, Draft, Message, MessageFlags
from homing.model.problems import (
    BAD_PARAMETER,
    MSG_BAD_FORMAT,
    MSG_BAD_LIFETIME,
    MSG_BAD_RANDOM,
    MSG_BAD_RECEIVER,
    MSG_BAD_SEQ,
    MSG_NOT_FOUND,
    MSG_RECEIVER_UNKNOWN,
    TEXT_TOO_LONG,
    Refused,
)
from homing.rules.message_keys import UINT32_MAX
from homing.rules.webhooks import platform_name
from homing.server.rest_v4.bodies import BodyDecoder
from homing.server.rest_v4.elements import check_elements
from homing.services.accounts import is_user_id
from homing.services.hub import Hub
from homing.services.receipts import message_id_of
from homing.services.sessions import Login, LoginRequest
from homing.store.history import place_of

from . import bodies, disturb, media
from . import group_operations as groups
from .answers import Done, LoginAnswer, MessagesAnswer, SentAnswer, SessionAnswer
from .cursors import cursor_of, place_of_cursor
from .encoding import message_body

MAX_PAGE = 100
MAX_PAGE_BYTES = 256 * 1024
MAX_ACKS = 500
SECONDS_END = 10**11  # larger times are in milliseconds
_encode = msgspec.json.Encoder().encode


class Caller(msgspec.Struct, frozen=True):
    """Who calls."""

    hub: Hub
    app: App
    device: Device
    on_sent: Callable[[Accepted], None] | None = None  # a socket that must not get its own message again
    on_acknowledged: Callable[[list[int], int], None] | None = None  # a socket that tracks its resume position


class Operation(msgspec.Struct, frozen=True):
    """One thing to do: how its body is read, what it does, and how much of the rate limit it costs."""

    decoder: BodyDecoder[Any]
    run: Callable[[Caller, Any], Awaitable[Any]]
    cost: float = 1.0
    texts: bool = False  # ``after`` is a text although it may look like a number

    @property
    def answer(self) -> Any:
        """The type of what it answers."""
        return get_type_hints(self.run, localns={"Caller": Caller})["return"]


async def log_in(hub: Hub, body: bodies.LoginBody) -> Login:
    """A new session. Raises ``Refused``."""
    missing = [name for name in ("sdkappid", "user_id", "user_sig", "platform", "instance_id") if not getattr(body, name)]
    if missing and missing != ["user_sig"]:
        raise Refused(BAD_PARAMETER, f"$.{missing[0]}: it is missing")
    request = LoginRequest(body.user_id, body.user_sig, body.platform, body.instance_id, body.language)
    return await hub.sessions.login(body.sdkappid, request)


def login_answer(login: Login) -> LoginAnswer:
    """What a device hears of its new session."""
    return {
        "session_token": login.session_token,
        "device_id": str(login.device.device_id),
        "expires_in": login.expires_in,
        "user_id": login.device.user_id,
        "cursor": cursor_of(login.cursor),
    }


async def push_config(caller: Caller, body: bodies.PushConfigBody | None) -> Done:
    """Report the push token, or turn push off."""
    if body is None:
        await caller.hub.sessions.clear_push_config(caller.device)
    else:
        fallbacks = [(token.business_id, token.token) for token in body.fallback]
        voip = (body.voip.business_id, body.voip.token) if body.voip is not None else None
        await caller.hub.sessions.set_push_config(
            caller.device, body.business_id, body.token, is_tpns_token=body.is_tpns_token, fallbacks=fallbacks, voip=voip
        )
    return {}


async def background(caller: Caller, body: bodies.BackgroundBody) -> Done:
    """The app is in the background."""
    await caller.hub.sessions.background(caller.device, body.unread_count)
    return {}


async def foreground(caller: Caller, _: bodies.EmptyBody) -> Done:
    """The app is in front."""
    await caller.hub.sessions.foreground(caller.device)
    return {}


async def logout(caller: Caller, _: bodies.EmptyBody) -> Done:
    """End the session."""
    await caller.hub.sessions.logout(caller.device)
    return {}


async def send(caller: Caller, body: bodies.SendBody) -> SentAnswer:
    """Send a message, to an account or to a group."""
    if body.to_group:
        _check(body)
        said = await caller.hub.group_messaging.send(caller.app, groups.group_draft(caller, body, _flags(body)))
        return {"msg_id": said.msg_id, "msg_key": said.msg_key, "seq": said.seq, "timestamp": said.timestamp}
    draft = _draft(caller.device, body)
    accepted = await caller.hub.messaging.send(caller.app, draft)
    if caller.on_sent is not None:
        caller.on_sent(accepted)
    return {"msg_id": accepted.msg_id, "msg_key": accepted.msg_key, "seq": accepted.seq, "timestamp": accepted.timestamp}


async def messages(caller: Caller, body: bodies.MessagesBody) -> MessagesAnswer:
    """A page of what was missed, oldest first."""
    if not 1 <= body.limit <= MAX_PAGE:
        raise Refused(BAD_PARAMETER, f"$.limit: it must be 1 to {MAX_PAGE}")
    device, after = caller.device, place_of_cursor(body.after)
    found, more = await caller.hub.history.inbox_after(device.sdkappid, device.user_id, after, body.limit)
    kept: list[Message] = []
    size = 0
    for message in found:
        size += len(message.body) + len(message.cloud_custom_data)
        if kept and size > MAX_PAGE_BYTES:
            more = True
            break
        kept.append(message)
    place = place_of(kept[-1], device.user_id) if kept else after
    return {"messages": [message_body(message, device.user_id) for message in kept], "cursor": cursor_of(place), "more": more}


async def push_events(caller: Caller, body: bodies.PushEventBody) -> Done:
    """A push was delivered, shown or clicked."""
    push_id = body.push_id
    if isinstance(push_id, str):
        push_id = int(push_id) if push_id.isascii() and push_id.isdigit() and len(push_id) < 20 else 0
    if not push_id and not body.msg_id:
        raise Refused(BAD_PARAMETER, "$.push_id: it is missing", cure="Pass the push_id, or the msg_id, that came with the notification")
    at = body.at or 0
    at_ms = int(at * 1000) if 0 < at < SECONDS_END else int(min(at, 2**53))
    await caller.hub.receipts.report_from_device(
        caller.device.sdkappid, caller.device.device_id, push_id or None, body.msg_id, body.event, at_ms
    )
    return {}


async def read(caller: Caller, body: bodies.ReadBody) -> Done:
    """Mark a conversation as read."""
    device = caller.device
    if body.to_group:
        return await groups.read_group(caller, body)
    if not body.peer:
        raise Refused(BAD_PARAMETER, "$.peer: it is missing")
    if not is_user_id(body.peer):
        raise Refused(MSG_RECEIVER_UNKNOWN)
    read_at = body.read_at if body.read_at else None
    await caller.hub.history.mark_read(caller.app, device.user_id, body.peer, read_at, device_id=device.device_id)
    return {}


async def recall(caller: Caller, body: bodies.RecallBody) -> Done:
    """Take a message back."""
    device = caller.device
    if body.to_group:
        return await groups.recall_in_group(caller, body)
    if not body.to_user or not body.msg_key:
        raise Refused(BAD_PARAMETER, f"$.{'msg_key' if body.to_user else 'to_user'}: it is missing")
    if not is_user_id(body.to_user):
        raise Refused(MSG_NOT_FOUND)
    await caller.hub.history.revoke(caller.app, device.user_id, body.to_user, msg_key=body.msg_key, by_admin=False, by_device=device)
    return {}


async def ack(caller: Caller, body: bodies.AckBody) -> Done:
    """Messages have arrived: no push for them."""
    if len(body.msg_ids) > MAX_ACKS:
        raise Refused(BAD_PARAMETER, f"$.msg_ids: at most {MAX_ACKS} at once")
    numbers = [message_id_of(msg_id) for msg_id in body.msg_ids]
    place = place_of_cursor(body.cursor)
    if 0 in numbers:
        raise Refused(BAD_PARAMETER, "$.msg_ids: one of them is no msg_id")
    await caller.hub.delivery.acknowledge(caller.device.sdkappid, caller.device.device_id, numbers)
    if caller.on_acknowledged is not None:
        caller.on_acknowledged(numbers, place)
    elif place:
        await caller.hub.sessions.presence.acknowledged(caller.device, place)
    return {}


async def session(caller: Caller, _: bodies.EmptyBody) -> SessionAnswer:
    """What the server knows of this session."""
    device, cursor = await caller.hub.sessions.presence.look(caller.device)
    return {
        "device_id": str(device.device_id),
        "user_id": device.user_id,
        "platform": device.platform,
        "instance_id": device.instance_id,
        "app_state": device.app_state,
        "connected": device.connected,
        "business_id": device.business_id,
        "has_token": bool(device.token),
        "expires_in": max(0, (device.expires_at_ms - caller.hub.clock.now_ms()) // 1000),
        "cursor": cursor_of(cursor),
    }


async def ping(_: Caller, __: bodies.EmptyBody) -> Done:
    """A sign of life."""
    return {}


OPERATIONS: dict[str, Operation] = {
    "push-config": Operation(bodies.decoder(bodies.PushConfigBody | None), push_config),
    "background": Operation(bodies.decoder(bodies.BackgroundBody), background),
    "foreground": Operation(bodies.decoder(bodies.EmptyBody), foreground),
    "logout": Operation(bodies.decoder(bodies.EmptyBody), logout),
    "send": Operation(bodies.decoder(bodies.SendBody), send),
    "messages": Operation(bodies.decoder(bodies.MessagesBody), messages),
    "push-events": Operation(bodies.decoder(bodies.PushEventBody), push_events),
    "read": Operation(bodies.decoder(bodies.ReadBody), read),
    "recall": Operation(bodies.decoder(bodies.RecallBody), recall),
    "set-receive-options": Operation(bodies.decoder(disturb.SetOptionsBody), disturb.set_receive_options),
    "receive-options": Operation(bodies.decoder(disturb.OptionsBody), disturb.receive_options),
    "set-quiet-hours": Operation(bodies.decoder(disturb.QuietHoursBody | None), disturb.set_quiet_hours),
    "quiet-hours": Operation(bodies.decoder(bodies.EmptyBody), disturb.quiet_hours),
    "ack": Operation(bodies.decoder(bodies.AckBody), ack, cost=0.05),
    "session": Operation(bodies.decoder(bodies.EmptyBody), session),
    "groups": Operation(bodies.decoder(groups.GroupsBody), groups.groups),
    "group-messages": Operation(bodies.decoder(groups.GroupMessagesBody), groups.group_messages),
    "group-members": Operation(bodies.decoder(groups.GroupMembersBody), groups.group_members, texts=True),
    "group-join": Operation(bodies.decoder(groups.GroupBody), groups.group_join),
    "group-quit": Operation(bodies.decoder(groups.GroupBody), groups.group_quit),
    "group-option": Operation(bodies.decoder(groups.GroupOptionBody), groups.group_option),
    "media": Operation(bodies.decoder(media.MediaBody), media.ask),
    "ping": Operation(bodies.decoder(bodies.EmptyBody), ping, cost=0.2),
    "pong": Operation(bodies.decoder(bodies.EmptyBody), ping, cost=0.2),
}


def _draft(device: Device, body: bodies.SendBody) -> Draft:
    _check(body)
    return Draft(
        from_account=device.user_id,
        to_account=body.to_user,
        elements=body.elements,
        random=secrets.randbits(32) if body.random is None else body.random,
        seq=_seq(device, body),
        flags=_flags(body),
        lifetime_seconds=min(body.lifetime_seconds, MAX_LIFETIME_SECONDS),
        push_info=body.offline_push_info,
        cloud_custom_data=body.cloud_custom_data,
        sender_device_id=device.device_id,
        sender_platform=platform_name(device.platform),
    )


def _flags(body: bodies.SendBody) -> MessageFlags:
    flags = MessageFlags.FROM_DEVICE | MessageFlags.HONOUR_MUTE
    if body.online_only or body.lifetime_seconds == 0:
        flags |= MessageFlags.ONLINE_ONLY
    if body.need_read_receipt:
        flags |= MessageFlags.NEED_RECEIPT
    if body.exclude_from_unread:
        flags |= MessageFlags.NO_UNREAD
    if body.exclude_from_last_message:
        flags |= MessageFlags.NO_LAST_MSG
    if body.seq is not None:
        flags |= MessageFlags.CALLER_SEQ
    return flags


def _seq(device: Device, body: bodies.SendBody) -> int | None:
    """A repeat with the same ``random`` must be seen as a repeat, so it gets the same sequence number from it."""
    if body.seq is not None or body.random is None:
        return body.seq
    return zlib.crc32(b"%d:%d" % (device.device_id, body.random))


def _check(body: bodies.SendBody) -> None:
    if not body.to_group:
        if not body.to_user:
            raise Refused(MSG_BAD_RECEIVER, "$.to_user: it is missing", cure="Pass to_user or to_group")
        if not is_user_id(body.to_user):
            raise Refused(MSG_RECEIVER_UNKNOWN)
    elif body.to_user:
        raise Refused(BAD_PARAMETER, "$.to_user: it stands beside to_group", cure="Pass one of the two")
    check_elements(body.elements)
    if body.random is not None and not 0 <= body.random <= UINT32_MAX:
        raise Refused(MSG_BAD_RANDOM, "$.random")
    if body.seq is not None and not 0 <= body.seq <= UINT32_MAX:
        raise Refused(MSG_BAD_SEQ, "$.seq")
    if body.lifetime_seconds < 0:
        raise Refused(MSG_BAD_LIFETIME, "$.lifetime_seconds")
    if "\0" in body.cloud_custom_data:
        raise Refused(MSG_BAD_FORMAT, "$.cloud_custom_data: it contains a NUL character")
    size = len(_encode(body.elements)) + len(body.cloud_custom_data.encode("utf-8", "replace"))
    if size > MAX_MESSAGE_BYTES:
        raise Refused(TEXT_TOO_LONG, f"$.elements and $.cloud_custom_data have {size} bytes")
