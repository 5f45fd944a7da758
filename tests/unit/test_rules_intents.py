"""Android intent URIs: built, extended, read and judged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.rules.intents import CLEAR_TOP, MAX_URI_CHARS, Intent, activity_of, intent_problems, intent_uri, parse_intent_uri, with_extras

DEMO = (
    "intent://com.tencent.qcloud/detail#Intent;scheme=pushscheme;launchFlags=0x4000000;"
    "component=com.tencent.qcloud.tim.tuikit/com.tencent.qcloud.tim.demo.main.MainActivity;end"
)
PARTS: dict[str, Any] = {
    "scheme": "pushscheme",
    "host": "com.tencent.qcloud",
    "path": "/detail",
    "component": "com.tencent.qcloud.tim.tuikit/com.tencent.qcloud.tim.demo.main.MainActivity",
}


def test_the_parts_give_the_published_uri_and_back():
    assert intent_uri(**PARTS) == DEMO
    assert parse_intent_uri(DEMO) == Intent(flags=CLEAR_TOP, **PARTS)


def test_a_uri_may_have_no_data_at_all():
    uri = intent_uri(action="com.example.OPEN", package="com.example.im", flags=0)
    assert uri == "intent:#Intent;action=com.example.OPEN;package=com.example.im;end"
    intent = parse_intent_uri(uri)
    assert intent == Intent(action="com.example.OPEN", package="com.example.im")
    assert intent.data == ""


def test_query_and_data_are_kept():
    intent = parse_intent_uri(intent_uri(scheme="s", host="h", path="a b", query="x=1&y=好"))
    assert intent is not None
    assert (intent.path, intent.query, intent.data) == ("/a b", "x=1&y=好", "s://h/a b?x=1&y=好")


def test_extras_go_before_the_end_and_replace_one_of_the_same_name():
    uri = with_extras(with_extras(DEMO, {"ext": '{"a":"1;end"}', "n": "1"}), {"ext": "b;#Intent;"})
    assert uri.startswith(DEMO[:-3])
    assert uri.endswith(";S.n=1;S.ext=b%3B%23Intent%3B;end")
    intent = parse_intent_uri(uri)
    assert intent is not None
    assert intent.extras == {"n": "1", "ext": "b;#Intent;"}


@pytest.mark.parametrize("text", ["", "https://example.com", "intent://h/p", "intent:#Intent;scheme=s", "scheme://h#Intent;end"])
def test_a_text_that_is_no_intent_uri_is_left_alone(text: str):
    assert with_extras(text, {"a": "b"}) == text
    assert parse_intent_uri(text) is None


def test_nothing_to_add_changes_nothing():
    assert with_extras(DEMO, {}) == DEMO


def test_extras_of_every_type_are_read_as_text():
    intent = parse_intent_uri("intent:#Intent;component=a.b/.C;S.s=x%20y;i.n=5;B.b=true;l.l=7;S.=e;end")
    assert intent is not None
    assert intent.extras == {"s": "x y", "n": "5", "b": "true", "l": "7"}
    assert intent.activity == "a.b.C"


@pytest.mark.parametrize(
    "uri", ["intent:#Intent;launchFlags=zero;end", "intent:#Intent;what;end", "intent:" + "a" * MAX_URI_CHARS + "#Intent;end"]
)
def test_a_damaged_uri_is_none(uri: str):
    assert parse_intent_uri(uri) is None


@pytest.mark.parametrize(
    ("value", "activity"),
    [
        ("com.example.im.MainActivity", "com.example.im.MainActivity"),
        ("activity:com.example.im.MainActivity", "com.example.im.MainActivity"),
        (" activity: com.example.Outer$Inner ", "com.example.Outer$Inner"),
        ("com.example.im/com.example.im.Main", "com.example.im.Main"),
        ("com.example.im/.Main", "com.example.im.Main"),
        (DEMO, "com.tencent.qcloud.tim.demo.main.MainActivity"),
        ("intent:broken", ""),
        ("Main", ""),
        ("not a class", ""),
        ("https://example.com/x", ""),
        ("", ""),
    ],
)
def test_the_activity_is_found_in_every_form_of_a_click_value(value: str, activity: str):
    assert activity_of(value) == activity


def test_a_good_uri_has_no_problems():
    assert intent_problems(DEMO) == []
    assert intent_problems("intent:#Intent;action=a.b.C;end") == []


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("https://x", "starts with intent:"),
        ("intent:" + "a" * MAX_URI_CHARS, "longer than"),
        ("intent://h/p", "no #Intent; part"),
        (DEMO[:-3], "finish with ;end"),
        (DEMO.replace("launchFlags=0x4000000", "launchFlags=x"), "not a number"),
        (DEMO.replace("scheme=", "scheme"), "not key=value"),
        (DEMO.replace("scheme=pushscheme;", ""), "no scheme="),
        (DEMO.replace("scheme=pushscheme", "scheme=1 2"), "a scheme cannot have"),
        ("intent:#Intent;component=Main;end", "not package/class"),
        ("intent:#Intent;component=a b/Main;end", "not package/class"),
        ("intent:#Intent;component=a.b/Ma in;end", "not package/class"),
        ("intent:#Intent;launchFlags=0x1;end", "nothing to open"),
    ],
)
def test_each_problem_is_told_in_a_sentence(uri: str, words: str):
    (sentence,) = intent_problems(uri)
    assert words in sentence


VALUES = st.text(min_size=1, max_size=30)


@given(st.dictionaries(VALUES, st.text(max_size=30), max_size=4))
def test_extras_survive_the_way_there_and_back(extras: dict[str, str]):
    intent = parse_intent_uri(with_extras(DEMO, extras))
    assert intent is not None
    assert intent.extras == extras
    assert intent.component == PARTS["component"]


@given(VALUES, VALUES, st.integers(0, 2**31))
def test_host_and_path_survive_the_way_there_and_back(host: str, path: str, flags: int):
    path = "/" + path.removeprefix("/")
    intent = parse_intent_uri(intent_uri(scheme="s", host=host, path=path, flags=flags))
    assert intent is not None
    assert (intent.host, intent.path, intent.flags) == (host, path, flags)


@given(st.text(st.characters()))
def test_no_text_makes_the_reader_raise(text: str):
    for uri in (text, f"intent:{text}#Intent;{text};end"):
        parse_intent_uri(uri)
        intent_problems(uri)
        activity_of(uri)
        with_extras(uri, {text: text} if text else {})
