"""The container behind a tapped notification, as each vendor's client hands it over, and damaged in every way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.rules.offline_message import MAX_EXT_CHARS, OfflineMessage, container_json, parse_ext, parse_offline_message

ENTITY = {"action": 1, "chatType": 1, "content": "hi", "faceUrl": "", "nickname": "Ann", "sendTime": 0, "sender": "ann", "version": 1}
EXT = json.dumps({"entity": ENTITY})
ANN = OfflineMessage(version=1, chat_type=1, action=1, sender="ann", nickname="Ann", content="hi")


def entity(**changes: Any) -> dict[str, Any]:
    return {"entity": {**ENTITY, **changes}}


@pytest.mark.parametrize(
    "text",
    [EXT, EXT.encode(), {"entity": ENTITY}, ENTITY, json.dumps(ENTITY), {"entity": json.dumps(ENTITY)}, json.dumps(EXT)],
)
def test_a_container_and_a_bare_entity_are_read_alike(text: str | bytes | dict[str, Any]):
    assert parse_ext(text) == ANN


@pytest.mark.parametrize(
    ("extras", "where"),
    [
        ({"ext": EXT}, "an intent extra of the opened page"),
        ({"key_message": {"extra": {"ext": EXT}}}, "a message object with extras"),
        ({"key_message": json.dumps({"extra": {"ext": EXT}})}, "the same as text"),
        ({"key_message": json.dumps({"messageId": "x", "extra": json.dumps({"ext": EXT})})}, "text within text"),
        ({"entity": json.dumps(ENTITY)}, "the inner entity alone"),
        ({"entity": "broken", "ext": EXT}, "an ext wins"),
        ({"params": {"ext": EXT}}, "the parameters of a clicked message"),
        ({"aps": {"alert": "Ann:hi"}, "ext": EXT}, "a top-level key beside aps"),
        ({"userInfo": {"aps": {}, "ext": EXT}}, "the same, wrapped"),
        ({"custom_content": json.dumps({"ext": EXT})}, "custom content as text"),
        ({"want": {"parameters": {"ext": EXT}}}, "the parameters of a want"),
        ({"parameters": {"ext": EXT}}, "the same, unwrapped"),
        ({"ext": {"entity": ENTITY}}, "an object instead of a text"),
    ],
)
def test_each_way_of_handing_it_over_is_understood(extras: dict[str, object], where: str):
    assert parse_offline_message(extras) == ANN, where


@pytest.mark.parametrize(
    "extras", [None, {}, {"ext": None}, {"ext": "x"}, {"key_message": 5}, {"key_message": {"extra": {}}}, "text", ["ext"]]
)
def test_extras_without_a_container_are_none(extras: Any):
    assert parse_offline_message(extras) is None


def test_every_field_is_read():
    text = container_json(chat_type=2, action=2, sender="@TGS#1", nickname="N", face_url="https://f", content="c", send_time=1_800_000_000)
    assert parse_ext(text) == OfflineMessage(1, 2, 2, "@TGS#1", "N", "https://f", "c", 1_800_000_000)


def test_numbers_written_as_text_or_with_a_fraction_of_zero_are_read():
    message = parse_ext(entity(version="1", action="2", chatType=2.0, sendTime=" 1800000000", sender=10086))
    assert message == OfflineMessage(1, 2, 2, "10086", "Ann", "", "hi", 1_800_000_000)


def test_damaged_fields_fall_back_to_their_defaults():
    message = parse_ext(entity(chatType="x", nickname=[1], faceUrl=None, content={}, sendTime="--5", version=True))
    assert message == OfflineMessage(1, 1, 1, "ann")


def test_missing_fields_fall_back_to_their_defaults():
    assert parse_ext({"entity": {"sender": "ann"}}) == OfflineMessage(1, 1, 1, "ann")


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"version": "0"},
        {"action": 3},
        {"action": 0},
        {"sender": ""},
        {"sender": None},
        {"sender": True},
        {"sender": 10**40},
    ],
)
def test_what_the_app_cannot_open_is_none(changes: dict[str, Any]):
    assert parse_ext(entity(**changes)) is None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        "[]",
        "5",
        "null",
        b"\xff\xfe\xff",
        '{"entity":5}',
        {"entity": None},
        "[" * 20_000,
        "x" * (MAX_EXT_CHARS + 1),
        json.dumps(json.dumps(EXT)),
        5,
    ],
)
def test_what_is_no_container_is_none(text: Any):
    assert parse_ext(text) is None


@pytest.mark.parametrize("nick", ["Ann", "好👍", "\ud800"])
def test_a_container_made_here_is_json_whatever_the_nick(nick: str):
    text = container_json(chat_type=1, action=1, sender="ann", nickname=nick)
    text.encode()
    message = parse_ext(text)
    assert message is not None
    assert message.nickname == nick


NAMES = st.sampled_from(
    ["entity", "ext", "extra", "key_message", "params", "data", "want", "sender", "version", "action", "chatType", "sendTime"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.just(EXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_no_value_makes_it_raise(value: Any):
    for result in (parse_ext(value), parse_offline_message(value), parse_offline_message({"ext": value})):
        assert result is None or (result.version == 1 and result.action in (1, 2) and result.sender)


@given(st.text(max_size=20).map(lambda text: text + "x"), st.sampled_from([1, 2]), st.text(max_size=20), st.integers(0, 2**40))
def test_what_was_made_here_is_read_back(sender: str, chat_type: int, content: str, send_time: int):
    text = container_json(chat_type=chat_type, action=1, sender=sender, content=content, send_time=send_time)
    assert parse_offline_message({"ext": text}) == OfflineMessage(1, chat_type, 1, sender, "", "", content, send_time)
