"""What each message element must contain (rest-api sheet, section 6). Fields that are not listed pass unchecked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from homing.model.messages import Element
from homing.model.problems import MSG_BAD_FORMAT, MSG_BODY_NOT_ARRAY, Refused

TEXT = "TIMTextElem"
CUSTOM = "TIMCustomElem"

_STRING, _INTEGER, _NUMBER, _ARRAY = "a string", "an integer", "a number", "an array"


class _Shape(msgspec.Struct, frozen=True):
    """The fields that one kind of element knows. ``one_of``: at least one of these must be there."""

    fields: dict[str, str]
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()


SHAPES: dict[str, _Shape] = {
    TEXT: _Shape({"Text": _STRING}, ("Text",)),
    "TIMFaceElem": _Shape({"Index": _INTEGER, "Data": _STRING}, one_of=("Index", "Data")),
    "TIMLocationElem": _Shape({"Desc": _STRING, "Latitude": _NUMBER, "Longitude": _NUMBER}, ("Latitude", "Longitude")),
    CUSTOM: _Shape({"Data": _STRING, "Desc": _STRING, "Ext": _STRING, "Sound": _STRING}),
    "TIMImageElem": _Shape({"UUID": _STRING, "ImageFormat": _INTEGER, "ImageInfoArray": _ARRAY}, one_of=("ImageInfoArray", "UUID")),
    "TIMSoundElem": _Shape(
        {"Url": _STRING, "UUID": _STRING, "Size": _INTEGER, "Second": _INTEGER, "Download_Flag": _INTEGER}, one_of=("Url", "UUID")
    ),
    "TIMFileElem": _Shape(
        {"Url": _STRING, "UUID": _STRING, "FileSize": _INTEGER, "FileName": _STRING, "Download_Flag": _INTEGER}, one_of=("Url", "UUID")
    ),
    "TIMVideoFileElem": _Shape(
        {
            "VideoUrl": _STRING,
            "VideoUUID": _STRING,
            "VideoSize": _INTEGER,
            "VideoSecond": _INTEGER,
            "VideoFormat": _STRING,
            "VideoDownloadFlag": _INTEGER,
            "ThumbUrl": _STRING,
            "ThumbUUID": _STRING,
            "ThumbSize": _INTEGER,
            "ThumbWidth": _INTEGER,
            "ThumbHeight": _INTEGER,
            "ThumbFormat": _STRING,
            "ThumbDownloadFlag": _INTEGER,
        },
        one_of=("VideoUrl", "VideoUUID"),
    ),
    "TIMRelayElem": _Shape(
        {"Title": _STRING, "MsgNum": _INTEGER, "CompatibleText": _STRING, "AbstractList": _ARRAY, "MsgList": _ARRAY, "JsonMsgKey": _STRING},
        one_of=("MsgList", "JsonMsgKey"),
    ),
}


def check_elements(elements: Sequence[Element]) -> None:
    """Raises ``Refused`` with the path of the first element that is not in its format."""
    if not elements:
        raise Refused(MSG_BODY_NOT_ARRAY, "$.MsgBody: it is empty")
    customs = 0
    for index, element in enumerate(elements):
        if element.msg_type == TEXT and type(element.content.get("Text")) is str:
            continue  # nearly every message
        customs += element.msg_type == CUSTOM
        if customs > 1:
            raise _wrong(index, "MsgType", "a message has at most one TIMCustomElem")
        _check(index, element)


def _check(index: int, element: Element) -> None:
    shape = SHAPES.get(element.msg_type)
    if shape is None:
        raise _wrong(index, "MsgType", f"{element.msg_type[:40]!r} is not one of {', '.join(SHAPES)}")
    content = element.content
    for name in shape.required:
        if content.get(name) is None:
            raise _wrong(index, f"MsgContent.{name}", "it is missing")
    if shape.one_of and all(content.get(name) is None for name in shape.one_of):
        raise _wrong(index, "MsgContent", f"{' or '.join(shape.one_of)} is missing")
    for name, kind in shape.fields.items():
        value = content.get(name)
        if value is not None and not _is(value, kind):
            raise _wrong(index, f"MsgContent.{name}", f"it must be {kind}")


def _is(value: Any, kind: str) -> bool:
    if kind == _STRING:
        return isinstance(value, str)
    if kind == _ARRAY:
        return isinstance(value, list)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (kind == _NUMBER and isinstance(value, float))


def _wrong(index: int, field: str, what: str) -> Refused:
    return Refused(MSG_BAD_FORMAT, f"$.MsgBody[{index}].{field}: {what}")
