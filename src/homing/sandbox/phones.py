"""A virtual phone: its settings, its app and its tray. Behaviour stands in ``tray.py`` and ``tap.py``."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from .base import Notice
from .manifest import Manifest

LOCK_SCREEN = ("show", "hide_content", "hide")
APP_STATES = ("foreground", "background", "killed", "force_stopped")
IMPORTANCES = ("none", "min", "low", "default", "high")
NO_MANIFEST_BRANDS = frozenset({"apple", "harmony", "web"})
NOTIFICATIONS_OFF_BRANDS = frozenset({"oppo"})  # apps start with notifications switched off there (seed page, common questions)
#: Channels that the demo app creates where a message would not be shown without one; ``app.channels`` replaces them.
OWN_CHANNELS = {"oppo": ("tuikit",)}
MAX_TRAY = 200  # Android keeps 50 for an app; a demo may show more
MAX_APP_MESSAGES = 200


@dataclass(slots=True)
class PhoneChannel:
    """A notification channel on the phone. Its sound stays as it was at creation (Android 8+)."""

    id: str
    name: str = ""
    importance: str = "default"
    sound: str | None = "default"
    created_by: str = "app"  # or "message"

    def as_dict(self) -> dict[str, Any]:
        """For the control API."""
        return {"id": self.id, "name": self.name, "importance": self.importance, "sound": self.sound, "created_by": self.created_by}


@dataclass(slots=True)
class TrayItem:
    """A notification that is shown."""

    id: int
    notice: Notice
    channel: str
    sound: str | None
    badge: int
    received_at_ms: int


@dataclass(slots=True)
class Phone:
    """One phone with one installed app."""

    id: str
    brand: str
    vendor: str
    package: str
    manifest: Manifest | None  # None where apps have no AndroidManifest.xml
    launcher: str
    locale: str = "zh-CN"
    os_version: str = "14"
    signing: str = ""
    token: str = ""
    voip_token: str = ""  # PushKit's, on Apple phones
    notifications_enabled: bool = True
    lock_screen: str = "show"
    locked: bool = False
    offline: bool = False
    doze: bool = False
    app_installed: bool = True
    app_state: str = "background"
    inactive: bool = False  # not seen by the vendor for a month or more
    channels: dict[str, PhoneChannel] = field(default_factory=dict)
    sounds: frozenset[str] = frozenset()
    badge: int = 0
    tray: list[TrayItem] = field(default_factory=list)
    stored: list[Notice] = field(default_factory=list)  # at the vendor, for when the phone is back
    app_messages: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_APP_MESSAGES))
    calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_APP_MESSAGES))  # VoIP pushes: they ring
    vendor_settings: dict[str, Any] = field(default_factory=dict)  # what this vendor's console would hold for the app
    seen_keys: dict[str, None] = field(default_factory=dict)  # first-wins keys, bounded by tray.py

    @property
    def reachable(self) -> bool:
        """Whether the vendor's connection to the phone stands."""
        return not self.offline
