"""Certificates: a vendor's credentials plus options, numbered by a businessID."""

from __future__ import annotations

import enum
from typing import Any

import msgspec


class ClickAction(enum.StrEnum):
    """What a tap opens (sheet console, click action)."""

    LAUNCHER = "launcher"
    PAGE = "page"  # a page inside the app, named by an intent URI, an activity or an action
    WEB = "web"


class NotificationClass(enum.StrEnum):
    """Private (important, service) against public (ordinary, marketing), in each vendor's own terms."""

    PRIVATE = "private"
    PUBLIC = "public"


class Certificate(msgspec.Struct, frozen=True):
    """One set of vendor credentials of one app. ``credentials`` and ``options`` are the channel's own structs."""

    sdkappid: int
    business_id: int
    channel: str
    name: str
    credentials: Any
    options: Any
    version: int = 1  # grows with each change; pools and parsed keys are kept per version
    paused_reason: str = ""  # set when the vendor refused the credentials
    receipt_path: str = ""  # unguessable part of its receipt URL

    def __repr__(self) -> str:
        return f"Certificate(sdkappid={self.sdkappid}, business_id={self.business_id}, channel={self.channel!r})"
