"""The capability matrix: what each vendor can do and its limits, in words, from what the channels say about themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from .base import Capabilities, Channel

NONE: Final = "–"


class Feature(msgspec.Struct, frozen=True):
    """One row of the matrix. ``show`` gives the cell of a channel in a language ("en" or "zh")."""

    label_en: str
    label_zh: str
    show: Callable[[Channel, str], str]

    def label(self, language: str) -> str:
        """What the row is called."""
        return self.label_zh if language == "zh" else self.label_en


def _yes(name: str) -> Callable[[Channel, str], str]:
    def show(channel: Channel, language: str) -> str:
        holds = bool(getattr(channel.capabilities, name))
        return ("有" if language == "zh" else "yes") if holds else NONE

    return show


def _number(name: str) -> Callable[[Channel, str], str]:
    def show(channel: Channel, _: str) -> str:
        value = getattr(channel.capabilities, name)
        return NONE if value is None else f"{value:,.0f}"

    return show


def _title(channel: Channel, language: str) -> str:
    return channel.title_zh if language == "zh" else channel.title_en


def _day_begins(channel: Channel, _: str) -> str:
    if not (channel.capabilities.app_quota or channel.capabilities.device_daily_public is not None):
        return NONE
    hours, minutes = divmod(abs(channel.capabilities.day_utc_offset_minutes), 60)
    sign = "-" if channel.capabilities.day_utc_offset_minutes < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{minutes:02}" if minutes else "")


FEATURES: Final[tuple[Feature, ...]] = (
    Feature("vendor", "厂商", _title),
    Feature("device platforms", "终端平台", lambda c, _: ", ".join(sorted(c.platforms))),
    Feature("push platform number", "推送平台编号", lambda c, _: str(c.push_platform)),
    Feature("tokens in one request", "单次请求的 token 数", _number("batch_size")),
    Feature("a tap can open", "点击可打开", lambda c, _: ", ".join(c.capabilities.click_actions)),
    Feature("own sound", "自定义铃声", _yes("custom_sound")),
    Feature("badge", "角标", _yes("badge")),
    Feature("channel id", "通道 ID", _yes("channel_id")),
    Feature("classes private / public", "私信与公信分类", _yes("classes")),
    Feature("image", "图片", _yes("image")),
    Feature("title, characters", "标题，字符", _number("title_limit")),
    Feature("text, characters", "正文，字符", _number("body_limit")),
    Feature("payload, bytes", "消息体，字节", _number("payload_limit_bytes")),
    Feature("shortest time to live, seconds", "最短有效期，秒", _number("min_ttl_seconds")),
    Feature("longest time to live, seconds", "最长有效期，秒", _number("max_ttl_seconds")),
    Feature("a recalled message's notification is replaced", "撤回时替换通知", _yes("replaces")),
    Feature("taken away silently when read elsewhere", "其他终端已读时静默清除", _yes("withdraws")),
    Feature("the vendor itself takes notifications back", "厂商撤回接口", _yes("recall_option")),
    Feature("delivery receipts", "送达回执", _yes("receipts")),
    Feature("log-in token lives, seconds", "鉴权 token 有效期，秒", _number("login_token_seconds")),
    Feature("HTTP", "HTTP 版本", lambda c, _: c.capabilities.http_version),
    Feature("requests a second, vendor's default", "每秒请求数，厂商默认", _number("requests_per_second")),
    Feature("daily quota of the app", "应用单日配额", _yes("app_quota")),
    Feature("public class, an app and day, at least", "公信类，每应用每日，至少", _number("daily_public")),
    Feature("private class, an app and day, at least", "私信类，每应用每日，至少", _number("daily_private")),
    Feature("public class, a device and day", "公信类，每设备每日", _number("device_daily_public")),
    Feature("the vendor's day begins at midnight", "厂商的一天从零点开始", _day_begins),
)


def rows(channels: Iterable[Channel], language: str = "en") -> list[tuple[str, ...]]:
    """The matrix: for each feature its label and one cell a channel."""
    chosen = list(channels)
    return [(feature.label(language), *(feature.show(channel, language) for channel in chosen)) for feature in FEATURES]


def facts(channel: Channel) -> dict[str, Any]:
    """The same for programs: a channel's names, platforms and every capability under its own name."""
    capabilities: Capabilities = channel.capabilities
    return {
        "channel": channel.name,
        "title_en": channel.title_en,
        "title_zh": channel.title_zh,
        "push_platform": channel.push_platform,
        "platforms": sorted(channel.platforms),
        **msgspec.structs.asdict(capabilities),
    }
