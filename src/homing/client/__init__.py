"""Homing for Python: a device's side (``HomingClient``) and a backend's side (``RestClient``), both asynchronous.

The concepts are those of the original product's client SDK, one to one.
"""

from homing.model.push_info import AndroidInfo, ApnsInfo, HarmonyInfo, OfflinePushInfo
from homing.rules.offline_message import OfflineMessage, container_json, parse_offline_message

from .backoff import Backoff
from .client import HomingClient
from .elements import (
    Element,
    custom_message,
    face_message,
    file_message,
    image_message,
    location_message,
    sound_message,
    text_message,
    video_message,
)
from .errors import HomingError
from .groups import GroupEvent, Groups, JoinedGroup
from .listener import Listener
from .rest import RestClient
from .sending import SendTask
from .upload import Uploaded
from .values import FallbackToken, LoginStatus, MissedPage, OfflinePushConfig, QuietWindow, ReceivedMessage, SentMessage, VoipToken

__all__ = [
    "AndroidInfo",
    "ApnsInfo",
    "Backoff",
    "Element",
    "FallbackToken",
    "GroupEvent",
    "Groups",
    "HarmonyInfo",
    "HomingClient",
    "HomingError",
    "JoinedGroup",
    "Listener",
    "LoginStatus",
    "MissedPage",
    "OfflineMessage",
    "OfflinePushConfig",
    "OfflinePushInfo",
    "QuietWindow",
    "ReceivedMessage",
    "RestClient",
    "SendTask",
    "SentMessage",
    "Uploaded",
    "VoipToken",
    "container_json",
    "custom_message",
    "face_message",
    "file_message",
    "image_message",
    "location_message",
    "parse_offline_message",
    "sound_message",
    "text_message",
    "video_message",
]
