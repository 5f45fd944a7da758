"""The decision table: what happens on one device of the recipient (DESIGN section 6).

``TABLE`` is the same table in words, in the order in which it is asked; the documentation is made from it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from homing.model.devices import MOBILE, AppState, Platform, SessionState
from homing.model.push import Action, Decision, Reason


class DeviceSnapshot(msgspec.Struct, frozen=True, gc=False):
    """The device at the moment when the message is fanned out; recorded with the decision."""

    session_state: str
    platform: str
    connected: bool
    app_state: str
    last_seen_ms: int
    has_token: bool
    certificate: Literal["ok", "none", "paused"]
    is_sender_account: bool = False
    session_expires_at_ms: int = 0  # 0: it does not end by itself


class MessageTraits(msgspec.Struct, frozen=True, gc=False):
    """What the decision needs to know about the message, and about the recipient's wishes for its conversation."""

    push_flag: int = 0  # OfflinePushInfo.PushFlag: 1 means no push
    online_only: bool = False
    describable: bool = True  # False for a custom message without any description
    muted: bool = False
    quiet: bool = False  # the recipient's do-not-disturb window
    mentioned: bool = False  # the recipient is @-mentioned, and mentions pass as configured
    discarded: bool = False  # the recipient takes nothing from this conversation
    blocked: bool = False  # the sender is on the recipient's blacklist


def decide(device: DeviceSnapshot, message: MessageTraits, now_ms: int, keep_ms: int) -> Decision:
    """The decision for one device. ``keep_ms``: how long a device that is gone, not logged out, still gets pushes.

    A message that reaches the socket although its push is refused keeps the refusal as the reason.
    """
    ended = _session_ended(device, now_ms)
    if device.is_sender_account:
        return _SYNC if device.connected and ended is None else _SUPPRESS[Reason.OWN_MESSAGE]
    if ended is not None:
        return _SUPPRESS[ended]
    if message.blocked or message.discarded:
        return _SUPPRESS[_unwanted(message)]
    if not device.connected:
        refusal = _push_refusal(device, message, now_ms, keep_ms)
        return _PUSH_OFFLINE if refusal is None else _SUPPRESS[refusal]
    if device.app_state != AppState.BACKGROUND:
        return _SOCKET_FOREGROUND
    refusal = _push_refusal(device, message, now_ms, keep_ms)
    return _SOCKET_AND_PUSH if refusal is None else _SOCKET_ONLY[refusal]


def decide_without_socket(device: DeviceSnapshot, message: MessageTraits, now_ms: int, keep_ms: int) -> Decision:
    """The decision when the socket did not help: no acknowledgement came in time. Never a socket again.

    The reason of a push is ``no_ack`` where the device had counted as connected, else ``offline``.
    """
    if device.is_sender_account:
        return _SUPPRESS[Reason.OWN_MESSAGE]
    refusal = _session_ended(device, now_ms)
    if refusal is None:
        unwanted = message.blocked or message.discarded
        refusal = _unwanted(message) if unwanted else _push_refusal(device, message, now_ms, keep_ms)
    if refusal is not None:
        return _SUPPRESS[refusal]
    return _PUSH_NO_ACK if device.connected else _PUSH_OFFLINE


def _session_ended(device: DeviceSnapshot, now_ms: int) -> Reason | None:
    if device.session_state == SessionState.ACTIVE:
        return Reason.USERSIG_EXPIRED if 0 < device.session_expires_at_ms <= now_ms else None
    return _ENDED.get(device.session_state, Reason.LOGGED_OUT)


def _unwanted(message: MessageTraits) -> Reason:
    """Why the message is kept from the device altogether, sockets included."""
    return Reason.BLOCKED if message.blocked else Reason.DISCARDED


def _push_refusal(device: DeviceSnapshot, message: MessageTraits, now_ms: int, keep_ms: int) -> Reason | None:
    """Why this device may get no push of this message, or None. First the device, then the message."""
    if device.platform not in MOBILE and not (device.platform == Platform.WEB and device.has_token):
        return Reason.NOT_MOBILE
    # A connected device is here, however long ago it was last heard of.
    if not device.connected and now_ms - device.last_seen_ms > keep_ms:
        return Reason.SESSION_EXPIRED
    if not device.has_token:
        return Reason.NO_TOKEN
    if device.certificate != "ok":
        return Reason.CERTIFICATE_PAUSED if device.certificate == "paused" else Reason.NO_CERTIFICATE
    return _message_refusal(message)


def _message_refusal(message: MessageTraits) -> Reason | None:
    if message.push_flag == 1:
        return Reason.SENDER_OPTED_OUT
    if message.online_only:
        return Reason.ONLINE_ONLY
    if not message.describable:
        return Reason.NO_DESCRIPTION
    if message.mentioned:
        return None
    if message.muted:
        return Reason.MUTED
    return Reason.QUIET_HOURS if message.quiet else None


_ENDED: dict[str, Reason] = {
    SessionState.LOGGED_OUT: Reason.LOGGED_OUT,
    SessionState.KICKED: Reason.KICKED,
    SessionState.REVOKED: Reason.REVOKED,
    SessionState.EXPIRED: Reason.USERSIG_EXPIRED,
}
# Made once: every message asks for these.
_SYNC = Decision(Action.SYNC, Reason.OWN_MESSAGE)
_SOCKET_FOREGROUND = Decision(Action.SOCKET, Reason.FOREGROUND)
_SOCKET_AND_PUSH = Decision(Action.SOCKET_AND_PUSH, Reason.BACKGROUND)
_PUSH_OFFLINE = Decision(Action.PUSH, Reason.OFFLINE)
_PUSH_NO_ACK = Decision(Action.PUSH, Reason.NO_ACK)
_SUPPRESS = {reason: Decision(Action.SUPPRESS, reason) for reason in Reason}
_SOCKET_ONLY = {reason: Decision(Action.SOCKET, reason) for reason in Reason}


class Row(msgspec.Struct, frozen=True):
    """One row of the published table."""

    state_en: str
    state_zh: str
    result: Action
    reason: Reason


TABLE: tuple[Row, ...] = (
    Row("a connected device of the sender's own account", "发送者自己账号的在线终端", Action.SYNC, Reason.OWN_MESSAGE),
    Row("a device of the sender's own account, not connected", "发送者自己账号的离线终端", Action.SUPPRESS, Reason.OWN_MESSAGE),
    Row("logged out by the app", "应用主动登出", Action.SUPPRESS, Reason.LOGGED_OUT),
    Row("kicked by another login", "被其他终端登录踢下线", Action.SUPPRESS, Reason.KICKED),
    Row("session revoked by the server", "登录态被服务端作废", Action.SUPPRESS, Reason.REVOKED),
    Row("the UserSig ran out", "UserSig 已过期", Action.SUPPRESS, Reason.USERSIG_EXPIRED),
    Row("the recipient has the sender on its blacklist", "接收者已将发送者加入黑名单", Action.SUPPRESS, Reason.BLOCKED),
    Row("the recipient takes nothing from this conversation", "接收者设置了不接收该会话的消息", Action.SUPPRESS, Reason.DISCARDED),
    Row("connected, foreground", "已连接，在前台", Action.SOCKET, Reason.FOREGROUND),
    Row("connected, reported background", "已连接，已上报进入后台", Action.SOCKET_AND_PUSH, Reason.BACKGROUND),
    Row(
        "connected, reported background, and a later row refuses the push",
        "已连接，已上报进入后台，但命中下方某条不推送规则",
        Action.SOCKET,
        Reason.MUTED,
    ),
    Row(
        "not connected: a desktop, or a browser without a push token",
        "未连接：桌面端，或没有推送 token 的浏览器",
        Action.SUPPRESS,
        Reason.NOT_MOBILE,
    ),
    Row("not connected, keep period over", "未连接，超过保留期", Action.SUPPRESS, Reason.SESSION_EXPIRED),
    Row("no push token reported", "未上报推送 token", Action.SUPPRESS, Reason.NO_TOKEN),
    Row("no certificate for the token's business id", "token 对应的推送证书不存在", Action.SUPPRESS, Reason.NO_CERTIFICATE),
    Row("the certificate is paused", "推送证书已暂停", Action.SUPPRESS, Reason.CERTIFICATE_PAUSED),
    Row("offline push info says no push", "离线推送信息设置为不推送", Action.SUPPRESS, Reason.SENDER_OPTED_OUT),
    Row("online-only message", "仅在线消息", Action.SUPPRESS, Reason.ONLINE_ONLY),
    Row("custom message without any description", "自定义消息没有任何描述", Action.SUPPRESS, Reason.NO_DESCRIPTION),
    Row("conversation muted for push, and no mention that passes", "会话免打扰，且没有可穿透的 @", Action.SUPPRESS, Reason.MUTED),
    Row(
        "in the recipient's do-not-disturb window, and no mention that passes",
        "在接收者免打扰时段内，且没有可穿透的 @",
        Action.SUPPRESS,
        Reason.QUIET_HOURS,
    ),
    Row(
        "not connected (killed, locked, network gone), within the keep period",
        "未连接（进程被杀、锁屏、断网），在保留期内",
        Action.PUSH,
        Reason.OFFLINE,
    ),
    Row("connected, but no acknowledgement came in time", "已连接，但未在时限内收到确认", Action.PUSH, Reason.NO_ACK),
)
