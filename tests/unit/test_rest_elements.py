"""What each message element must contain."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.model.messages import Element
from homing.model.problems import Refused
from homing.server.rest_v4.elements import SHAPES, check_elements

GOOD: dict[str, dict[str, Any]] = {
    "TIMTextElem": {"Text": ""},
    "TIMFaceElem": {"Index": 1, "Data": "d"},
    "TIMLocationElem": {"Desc": "d", "Latitude": 29.34, "Longitude": 116},
    "TIMCustomElem": {"Data": "m", "Desc": "n", "Ext": "u", "Sound": "d.aiff"},
    "TIMImageElem": {"UUID": "u", "ImageFormat": 1, "ImageInfoArray": [{"Type": 1, "URL": "http://x"}]},
    "TIMSoundElem": {"Url": "https://x", "UUID": "u", "Size": 1, "Second": 1, "Download_Flag": 2},
    "TIMFileElem": {"Url": "https://x", "UUID": "u", "FileSize": 1, "FileName": "f", "Download_Flag": 2},
    "TIMVideoFileElem": {"VideoUrl": "https://x", "VideoSize": 1, "VideoFormat": "mp4", "ThumbWidth": 1},
    "TIMRelayElem": {"Title": "t", "MsgNum": 1, "CompatibleText": "c", "AbstractList": ["a"], "MsgList": [{}]},
}


def _refusal(*elements: tuple[str, dict[str, Any]]) -> Refused:
    with pytest.raises(Refused) as refused:
        check_elements([Element(kind, content) for kind, content in elements])
    return refused.value


def test_every_documented_element_is_taken_also_all_together() -> None:
    assert set(GOOD) == set(SHAPES)
    check_elements([Element(kind, content) for kind, content in GOOD.items()])


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_each_known_field_is_checked_for_its_type(kind: str) -> None:
    for name in SHAPES[kind].fields:
        refused = _refusal((kind, GOOD[kind] | {name: True}))
        assert refused.detail.startswith(f"$.MsgBody[0].MsgContent.{name}: ")


@pytest.mark.parametrize("kind", sorted(set(SHAPES) - {"TIMCustomElem"}))
def test_an_empty_content_lacks_something(kind: str) -> None:
    assert _refusal((kind, {})).problem.rest_code == 90010


def test_a_second_custom_element_is_refused_and_others_repeat_freely() -> None:
    check_elements([Element("TIMTextElem", {"Text": "a"}), Element("TIMCustomElem", {}), *[Element("TIMFaceElem", {"Index": 1})] * 2])
    refused = _refusal(("TIMCustomElem", {}), ("TIMTextElem", {"Text": "a"}), ("TIMCustomElem", {}))
    assert refused.detail.startswith("$.MsgBody[2].MsgType: ")


def test_an_empty_body_is_refused() -> None:
    assert _refusal().problem.rest_code == 90007


@given(st.text(), st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.integers())))
def test_whatever_comes_is_taken_or_refused(kind: str, content: dict[str, Any]) -> None:
    for name in (kind, *SHAPES):
        with contextlib.suppress(Refused):
            check_elements([Element(name, content)])
