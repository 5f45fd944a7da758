"""The elements of messages, by the names of the original SDK's ``create…Message`` (rest-api sheet, section 6)."""

from __future__ import annotations

from typing import Any

from homing.model.messages import Element

__all__ = [
    "Element",
    "custom_message",
    "face_message",
    "file_message",
    "image_message",
    "location_message",
    "sound_message",
    "text_message",
    "video_message",
]


def text_message(text: str) -> Element:
    """A text."""
    return Element("TIMTextElem", {"Text": text})


def custom_message(data: str, desc: str = "", ext: str = "", sound: str = "") -> Element:
    """The app's own content. Without ``desc`` there is nothing to show, and so no push."""
    content = {"Data": data, "Desc": desc, "Ext": ext, "Sound": sound}
    return Element("TIMCustomElem", {"Data": data} | {name: value for name, value in content.items() if value})


def face_message(index: int, data: str = "") -> Element:
    """An emoticon of the app's own numbering."""
    return Element("TIMFaceElem", {"Index": index, "Data": data})


def location_message(latitude: float, longitude: float, desc: str = "") -> Element:
    """A place."""
    return Element("TIMLocationElem", {"Desc": desc, "Latitude": latitude, "Longitude": longitude})


def image_message(url: str, uuid: str = "", *, width: int = 0, height: int = 0, size: int = 0, image_format: int = 255) -> Element:
    """A picture that was uploaded elsewhere. ``image_format``: 1 JPG, 2 GIF, 3 PNG, 4 BMP, 255 unknown."""
    info: dict[str, Any] = {"Type": 1, "Size": size, "Width": width, "Height": height, "URL": url}
    return Element("TIMImageElem", {"UUID": uuid or url, "ImageFormat": image_format, "ImageInfoArray": [info]})


def sound_message(url: str, seconds: int, uuid: str = "", *, size: int = 0) -> Element:
    """A voice message that was uploaded elsewhere."""
    return Element("TIMSoundElem", {"Url": url, "UUID": uuid or url, "Size": size, "Second": seconds, "Download_Flag": 2})


def file_message(url: str, name: str, uuid: str = "", *, size: int = 0) -> Element:
    """A file that was uploaded elsewhere."""
    return Element("TIMFileElem", {"Url": url, "UUID": uuid or url, "FileSize": size, "FileName": name, "Download_Flag": 2})


def video_message(url: str, seconds: int, thumb_url: str = "", uuid: str = "", *, size: int = 0, video_format: str = "mp4") -> Element:
    """A video that was uploaded elsewhere."""
    content: dict[str, Any] = {"VideoUrl": url, "VideoUUID": uuid or url, "VideoSize": size, "VideoSecond": seconds}
    content |= {"VideoFormat": video_format, "VideoDownloadFlag": 2}
    if thumb_url:
        content |= {"ThumbUrl": thumb_url, "ThumbDownloadFlag": 2}
    return Element("TIMVideoFileElem", content)
