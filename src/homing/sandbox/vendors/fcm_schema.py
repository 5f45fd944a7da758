"""The request of ``messages:send`` field by field (vendor sheet fcm, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .fcm_proto import Message, Reader, boolean, duration, enum, floating, int32, repeated, string, string_map, struct, timestamp

TARGETS: Final = ("token", "fid", "topic", "condition")

_COLOR: Final = Message("Color", {"red": floating, "green": floating, "blue": floating, "alpha": floating})
_LIGHTS: Final = Message("LightSettings", {"color": _COLOR, "light_on_duration": duration, "light_off_duration": duration})
_FCM_OPTIONS: Final = Message("FcmOptions", {"analytics_label": string})
_ANDROID_OPTIONS: Final = Message("AndroidFcmOptions", {"analytics_label": string})

_SHOWN: Final[Mapping[str, Reader]] = {
    "title": string,
    "body": string,
    "icon": string,
    "color": string,
    "sound": string,
    "tag": string,
    "click_action": string,
    "title_loc_key": string,
    "title_loc_args": repeated(string),
    "body_loc_key": string,
    "body_loc_args": repeated(string),
    "channel_id": string,
    "ticker": string,
    "sticky": boolean,
    "event_time": timestamp,
    "local_only": boolean,
    "notification_priority": enum(
        "AndroidNotification.NotificationPriority",
        "PRIORITY_UNSPECIFIED",
        "PRIORITY_MIN",
        "PRIORITY_LOW",
        "PRIORITY_DEFAULT",
        "PRIORITY_HIGH",
        "PRIORITY_MAX",
    ),
    "default_sound": boolean,
    "default_vibrate_timings": boolean,
    "default_light_settings": boolean,
    "vibrate_timings": repeated(duration),
    "visibility": enum("AndroidNotification.Visibility", "VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"),
    "notification_count": int32,
    "light_settings": _LIGHTS,
    "image": string,
}
_PROXY: Final = enum("AndroidNotification.Proxy", "PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED")

_COMMON: Final[Mapping[str, Reader]] = {
    "collapse_key": string,
    "ttl": duration,
    "restricted_package_name": string,
    "data": string_map,
    "fcm_options": _ANDROID_OPTIONS,
    "direct_boot_ok": boolean,
    "bandwidth_constrained_ok": boolean,
    "restricted_satellite_ok": boolean,
}
_ANDROID: Final = Message(
    "AndroidConfig",
    {
        **_COMMON,
        "priority": enum("AndroidConfig.AndroidMessagePriority", "NORMAL", "HIGH"),
        "notification": Message("AndroidNotification", {**_SHOWN, "proxy": _PROXY}),
    },
)
_REMOTE: Final = Message(
    "AndroidRemoteNotification",
    {
        "notification": Message("AndroidNotificationV2", {**_SHOWN, "id": int32}),
        "mutable_content": boolean,
        "use_as_v1_data_message": boolean,
    },
)
_ANDROID_V2: Final = Message(
    "AndroidConfigV2",
    {**_COMMON, "remote_notification": _REMOTE, "background_sync": Message("AndroidBackgroundSync", {})},
    {"kind": ("remote_notification", "background_sync")},
)
_APNS: Final = Message(
    "ApnsConfig",
    {
        "headers": string_map,
        "payload": struct,
        "fcm_options": Message("ApnsFcmOptions", {"analytics_label": string, "image": string}),
        "live_activity_token": string,
    },
)
_WEBPUSH: Final = Message(
    "WebpushConfig",
    {
        "headers": string_map,
        "data": string_map,
        "notification": struct,
        "fcm_options": Message("WebpushFcmOptions", {"link": string, "analytics_label": string}),
    },
)
_MESSAGE: Final = Message(
    "Message",
    {
        "name": string,
        "data": string_map,
        "notification": Message("Notification", {"title": string, "body": string, "image": string}),
        "android": _ANDROID,
        "android_v2": _ANDROID_V2,
        "apns": _APNS,
        "webpush": _WEBPUSH,
        "fcm_options": _FCM_OPTIONS,
        "token": string,
        "fid": string,
        "topic": string,
        "condition": string,
    },
    {"target": TARGETS},
)
SEND_REQUEST: Final = Message("SendMessageRequest", {"message": _MESSAGE, "validate_only": boolean})
