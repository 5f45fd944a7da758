"""What an app hears: the callbacks of V2TIMSDKListener and V2TIMAdvancedMsgListener."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from .groups import GroupEvent
from .values import ReadNotice, ReceivedMessage, RevokedNotice

Heard = Awaitable[Any] | None


class Listener:
    """Override what you need; every method may also be ``async``. They are called one after the other, in order."""

    def on_connecting(self) -> Heard:
        """A connection is being made, or made again."""

    def on_connect_success(self) -> Heard:
        """The connection stands and the session lives."""

    def on_connect_failed(self, code: str, message: str) -> Heard:
        """It could not be made; the client tries again by itself."""

    def on_kicked_offline(self) -> Heard:
        """Another device took over, or the backend logged the account out: log in again. No push comes until then."""

    def on_user_sig_expired(self) -> Heard:
        """The UserSig ran out: get a new one and log in again."""

    def on_recv_new_message(self, message: ReceivedMessage) -> Heard:
        """A message, or one that was sent on another device of this account. It is acknowledged when this returns."""

    def on_message_revoked(self, notice: RevokedNotice) -> Heard:
        """A message was taken back."""

    def on_group_event(self, event: GroupEvent) -> Heard:
        """Something happened to a group, or the backend notifies its members."""

    def on_conversation_read(self, notice: ReadNotice) -> Heard:
        """A conversation was read on another device of this account, or by the peer."""

    def on_sync_finished(self, cursor: str) -> Heard:
        """What was missed is here. Keep ``cursor``: ``login(after=cursor)`` goes on from there after a restart."""
