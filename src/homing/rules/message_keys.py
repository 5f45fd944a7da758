"""Message keys and the values behind deduplication (rest-api sheet, section 3)."""

from __future__ import annotations

import zlib

#: A repeat of (sender, MsgSeq, MsgRandom, content CRC) inside this window is a resend: answered alike, stored once.
DEDUPE_SECONDS = 120

MAX_MSG_KEY_CHARS = 50
UINT32_MAX = 0xFFFF_FFFF


def msg_key(seq: int, random: int, timestamp: int) -> str:
    """The MsgKey ``{MsgSeq}_{MsgRandom}_{MsgTime}``; the time is in unix seconds."""
    return f"{seq}_{random}_{timestamp}"


def parse_msg_key(text: str) -> tuple[int, int, int] | None:
    """``(seq, random, timestamp)`` of a MsgKey, or None when the text is not one."""
    if len(text) > MAX_MSG_KEY_CHARS or not text.isascii():
        return None
    parts = text.split("_")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return None
    seq, random, timestamp = (int(part) for part in parts)
    if seq > UINT32_MAX or random > UINT32_MAX:
        return None
    return seq, random, timestamp


def content_crc(body: bytes) -> int:
    """CRC-32 of a message's elements as they are stored, unsigned."""
    return zlib.crc32(body)
