"""The multi-terminal policy: which devices a new login sends away (client-sdk sheet, section 1)."""

from __future__ import annotations

from collections.abc import Sequence

from homing.model.apps import TerminalPolicy
from homing.model.devices import MOBILE, Device, Platform, SessionState

MOBILE_GROUP = "mobile"
DESKTOP_GROUP = "desktop"
WEB_GROUP = "web"


def group_of(platform: str) -> str:
    """``mobile``, ``desktop`` or ``web``. A platform that nobody knows counts as a desktop: it holds no vendor token."""
    if platform in MOBILE:
        return MOBILE_GROUP
    return WEB_GROUP if platform == Platform.WEB else DESKTOP_GROUP


def kicked_by(new_platform: str, new_instance: str, others: Sequence[Device], policy: TerminalPolicy) -> list[Device]:
    """The devices that must go when ``new_instance`` logs in, the earliest login first.

    Only active sessions are kicked. The same installation logging in again is no kick.
    """
    if policy is TerminalPolicy.UNLIMITED:
        return []
    kicked = [
        device
        for device in others
        if device.session_state == SessionState.ACTIVE
        and not (device.platform == new_platform and device.instance_id == new_instance)
        and _conflict(new_platform, device.platform, policy)
    ]
    kicked.sort(key=lambda device: (device.login_at_ms, device.device_id))
    return kicked


def _conflict(first: str, second: str, policy: TerminalPolicy) -> bool:
    if policy is TerminalPolicy.SINGLE:
        return True
    if policy is TerminalPolicy.PER_PLATFORM:
        return first == second
    if policy is TerminalPolicy.THREE:
        return group_of(first) == group_of(second)
    return (first == Platform.WEB) == (second == Platform.WEB)
