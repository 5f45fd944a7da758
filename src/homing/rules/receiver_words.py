"""What a receiver had set at the time of a decision, in words of both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from homing.model.receive_options import DAY_SECONDS, ReceiveOption

_OPTIONS: Final[Mapping[int, tuple[str, str]]] = {
    ReceiveOption.NOTIFY: ("", ""),
    ReceiveOption.DISCARD: ("takes nothing from this conversation", "不接收该会话的消息"),
    ReceiveOption.SILENT: ("conversation muted", "会话免打扰"),
    ReceiveOption.SILENT_BUT_MENTIONS: ("conversation muted but for mentions", "会话免打扰，@ 除外"),
    ReceiveOption.DISCARD_BUT_MENTIONS: ("takes nothing but mentions from this conversation", "只接收该会话中 @ 自己的消息"),
}


def receiver_words(receiver: Mapping[str, Any], *, chinese: bool) -> list[str]:
    """Short phrases; empty for what is at its default."""
    words = ["发送者在黑名单中" if chinese else "sender on the blacklist"] if receiver.get("blocked") else []
    words.append(_OPTIONS.get(receiver.get("option", 0), ("", ""))[chinese])
    window = receiver.get("quiet_hours")
    if isinstance(window, dict):
        words.append(_window_words(window, chinese=chinese))
        if receiver.get("passes_quiet"):
            words.append("该会话在免打扰时段内也提醒" if chinese else "this conversation passes the do-not-disturb hours")
    return words


def _window_words(window: Mapping[str, Any], *, chinese: bool) -> str:
    duration = int(window.get("duration_seconds", 0))
    if window.get("starts_at"):
        once = f"{window['starts_at']} + {duration} s"
        return f"免打扰（一次） {once}" if chinese else f"do not disturb once: {once}"
    if duration >= DAY_SECONDS:
        return "全天免打扰" if chinese else "do not disturb all day"
    start = int(window.get("start_second", 0))
    zone = window.get("time_zone") or f"UTC{int(window.get('utc_offset_minutes', 0)) / 60:+g}"
    hours = f"{_clock(start)}-{_clock((start + duration) % DAY_SECONDS)} {zone}"
    return f"免打扰时段 {hours}" if chinese else f"do-not-disturb hours {hours}"


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second % 3600 // 60:02}"
