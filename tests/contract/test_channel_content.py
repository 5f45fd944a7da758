"""The helpers that make text fit a vendor's limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.channels.answers import integer, json_object, one_line, retry_after
from homing.channels.base import CommonOptions
from homing.channels.clicks import page_action, page_intent
from homing.channels.content import Content, cut_units, fit, image_wish, raw_sound, wish
from homing.channels.urls import auth_endpoint, receipt_url, url_problem


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@given(text=st.text(max_size=400), limit=st.integers(1, 200))
def test_a_text_is_cut_to_its_units_and_left_alone_where_it_fits(text, limit):
    shorter = cut_units(text, limit)
    assert units(shorter) <= limit
    assert shorter == text or units(text) > limit


def test_a_cut_keeps_families_together_and_uses_the_room():
    family = "👨‍👩‍👧"
    shorter = cut_units(family * 20, 49)
    assert shorter.rstrip("…") == family * (len(shorter) // len(family))
    assert units(shorter) > 30
    assert cut_units("长" * 60, 49) == "长" * 48 + "…"


@given(title=st.text(max_size=500), body=st.text(max_size=500), ext=st.text(max_size=500), limit=st.integers(250, 1000))
def test_content_is_made_to_fit(title, body, ext, limit):
    def size(content: Content) -> int:
        return len((content.title + content.body + content.ext).encode()) + (50 if content.ours else 0)

    fitted = fit(Content(title, body, ext), size, limit)
    assert size(fitted) <= limit
    assert fitted.ext in {ext, ""}


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", "certificate"), ("wish", "wish"), ("x" * 129, "certificate"), ("\ud800", "certificate"), ("长" * 60, "certificate")],
)
def test_a_wish_wins_unless_it_is_empty_or_absurd(value, expected):
    assert wish(value, "certificate") == expected


@pytest.mark.parametrize(
    ("url", "kept"), [("https://a/b.png", True), ("http://a/b.png", False), ("javascript:x", False), ("https://" + "a" * 2000, False)]
)
def test_pictures_are_https_and_of_a_sane_length(url, kept):
    assert bool(image_wish(url)) is kept


@pytest.mark.parametrize(
    ("wanted", "certificates", "name"),
    [
        ("ring.mp3", "", "ring"),
        ("", "/raw/ring", "ring"),
        ("ring", "other", "ring"),
        ("no such:name", "other.wav", "other"),
        ("长", "", ""),
        ("default", "other", ""),
        ("a" * 200, "", ""),
    ],
)
def test_raw_resources_are_named_without_their_suffix(wanted, certificates, name):
    assert raw_sound(wanted, certificates) == name


@pytest.mark.parametrize(
    ("value", "action", "intent"),
    [
        (
            "com.example.im.OPEN_CHAT",
            "com.example.im.OPEN_CHAT",
            "intent:#Intent;action=com.example.im.OPEN_CHAT;launchFlags=0x4000000;package=com.example.im;end",
        ),
        (
            "com.example.im.ChatActivity",
            "",
            "intent:#Intent;launchFlags=0x4000000;component=com.example.im/com.example.im.ChatActivity;end",
        ),
        ("activity:com.example.im.Chat", "", "intent:#Intent;launchFlags=0x4000000;component=com.example.im/com.example.im.Chat;end"),
        ("com.other/.Chat", "", "intent:#Intent;launchFlags=0x4000000;component=com.other/com.other.Chat;end"),
        ("intent:#Intent;action=a.B;end", "", "intent:#Intent;action=a.B;end"),
    ],
)
def test_a_click_value_is_an_action_an_activity_or_an_intent(value, action, intent):
    options = CommonOptions(click_action="page", click_value=value, package_name="com.example.im")
    assert page_action(options) == action
    assert page_intent(options) == intent


def test_a_launcher_click_opens_no_page():
    options = CommonOptions(click_value="com.example.im.OPEN_CHAT")
    assert (page_action(options), page_intent(options)) == ("", "")


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://a.example", True),
        ("http://127.0.0.1:8", True),
        ("http://localhost:8/p", True),
        ("http://[::1]:8", True),
        ("http://127.9.9.9", True),
        ("http://a.example", False),
        ("http://localhost.evil.example", False),
        ("ftp://127.0.0.1", False),
        ("https://", False),
        ("a.example", False),
        ("https://a:99999", False),
        ("https://a b", False),
        ("http://[::1", False),
    ],
)
def test_plain_http_is_for_loopback_only(url, good):
    assert (url_problem("base_url", url) is None) is good


def test_log_in_and_receipt_urls():
    assert auth_endpoint("", "https://d/t", "/t") == "https://d/t"
    assert auth_endpoint("https://h", "https://d/t", "/t") == "https://h/t"
    assert auth_endpoint("https://h/", "https://d/t", "/t") == "https://h/t"
    assert auth_endpoint("https://h/x", "https://d/t", "/t") == "https://h/x"
    assert receipt_url("https://h/", "abc") == "https://h/v1/receipts/abc"
    assert receipt_url("", "abc") == receipt_url("https://h", "") == ""


def test_answers_are_read_without_trust():
    assert json_object(b"[1]") == json_object(b"<html>") == json_object(b"\xff") == json_object("[" * 100_000) == {}
    assert one_line(" a\n b ") == "a b"
    assert len(one_line("x" * 9999)) == 300
    assert one_line({"a": 1}) == ""
    strange: list[Any] = ["5", 5, None, "x", [], float("inf")]
    assert [integer(value, 7) for value in strange] == [5, 5, 7, 7, 7, 7]


@pytest.mark.parametrize(("value", "seconds"), [("5", 5), ("0", 0), ("", None), ("-1", None), ("9" * 30, 86_400), ("x", None), ("²", None)])
def test_retry_after_is_bounded(value, seconds):
    assert retry_after({"retry-after": value}, 0) == seconds
