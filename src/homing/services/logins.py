"""Logging in at vendors: one grant a certificate, fetched once and shared by every lane and node."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from homing.model.certificates import Certificate
from homing.model.clock import Clock
from homing.model.outcome import Grant, Outcome, TransportFailure, VendorRequest, VendorResponse
from homing.transport.grants import GrantKey, Grants

from .exchanges import pool_of, unanswered

if TYPE_CHECKING:
    from homing.channels.base import Channel


class Post(Protocol):
    """The transport, as a log-in uses it."""

    async def send(self, request: VendorRequest, *, pool: str) -> VendorResponse | TransportFailure:
        """Send and wait."""
        ...


class VendorLogins:
    """Grants for the lanes and for ``homing cert check``."""

    def __init__(self, *, grants: Grants, transport: Post, channels: Mapping[str, Channel], clock: Clock) -> None:
        self._grants = grants
        self._transport = transport
        self._channels = channels
        self._clock = clock

    async def grant(self, certificate: Certificate) -> Grant | Outcome | None:
        """A valid grant, what the refusal means, or None where the vendor needs no log-in."""
        channel = self._channels[certificate.channel]
        if channel.capabilities.login_token_seconds is None:
            return None
        return await self._grants.get(_key(channel, certificate), lambda: self._log_in(channel, certificate))

    def invalidate(self, certificate: Certificate, used: Grant) -> None:
        """The vendor no longer takes ``used``; a newer grant stays."""
        self._grants.invalidate(_key(self._channels[certificate.channel], certificate), used)

    async def _log_in(self, channel: Channel, certificate: Certificate) -> Grant | Outcome:
        asked = channel.login(certificate, self._clock.now_ms())
        if asked is None:
            return Grant("", self._clock.now_ms() + 3_600_000)
        if isinstance(asked, Grant):
            return asked
        answer = await self._transport.send(asked, pool=f"login/{pool_of(certificate)}")
        if isinstance(answer, TransportFailure):
            return unanswered(answer)
        return channel.read_login(certificate, answer, self._clock.now_ms())


def _key(channel: Channel, certificate: Certificate) -> GrantKey:
    identity = channel.login_identity(certificate)
    if not identity:
        return GrantKey(certificate.sdkappid, certificate.business_id, certificate.version)
    name = f"{certificate.channel}/{identity}"  # kept under app 0, which belongs to nobody
    return GrantKey(0, int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big"), 1)
