"""Phones as the control API reads and writes them: making one, changing its settings, showing its state."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .manifest import ACTION_VIEW, DEFAULT_MANIFEST, BadManifest, Manifest, read_manifest
from .phones import (
    APP_STATES,
    IMPORTANCES,
    LOCK_SCREEN,
    NO_MANIFEST_BRANDS,
    NOTIFICATIONS_OFF_BRANDS,
    OWN_CHANNELS,
    Phone,
    PhoneChannel,
    TrayItem,
)
from .world import MAX_PHONES, World

DEFAULT_PACKAGE = "com.tencent.qcloud.tim.tuikit"
#: What the seed's app brings along in res/raw: the custom ring tone of the demo.
DEFAULT_SOUNDS = ("private_ring",)
ENTRIES = {"apple": "AppDelegate", "harmony": "EntryAbility", "web": "window"}  # what opens where there is no manifest
MAX_CHANNELS = 100
APP_FIELDS = frozenset({"manifest", "package", "signing", "launcher", "channels", "sounds", "vendor"})


class BadOrder(ValueError):
    """The caller asked for something that is not understood: a stable code, a sentence, what to do."""

    def __init__(self, code: str, message: str, help_: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.status = code, message, help_, status


def ignored_fields(order: dict[str, Any]) -> list[str]:
    """Fields of ``app`` that mean nothing here; the caller is told, and the phone is made all the same."""
    return sorted(f"app.{name}" for name in set(_object(order, "app")) - APP_FIELDS)


def create_phone(world: World, order: dict[str, Any]) -> Phone:
    """A new phone with the app installed and the vendor token issued. Raises BadOrder."""
    _known(order, {"brand", "app", "os_version", *_SETTERS})
    if len(world.phones) >= MAX_PHONES:
        raise BadOrder("too_many_phones", f"there are {MAX_PHONES} phones already", "restart the sandbox", 429)
    brand = order.get("brand")
    vendor = world.vendor_of_brand(brand) if isinstance(brand, str) else None
    if vendor is None or not isinstance(brand, str):
        raise BadOrder("bad_brand", f"brand must be one of {', '.join(world.brands())}", 'for example {"brand": "huawei"}')
    app = _object(order, "app")
    manifest = None if brand in NO_MANIFEST_BRANDS else _manifest(app)
    package = manifest.package if manifest is not None else _text(app, "package", DEFAULT_PACKAGE)
    launcher = _text(app, "launcher", "") or ((manifest.launcher or "") if manifest is not None else ENTRIES[brand])
    phone = Phone(
        id=f"phone-{world.next_id()}",
        brand=brand,
        vendor=vendor.name,
        package=package,
        manifest=manifest,
        launcher=launcher,
        os_version=_text(order, "os_version", "14"),
        signing=_signing(app.get("signing")),
        notifications_enabled=brand not in NOTIFICATIONS_OFF_BRANDS,
        sounds=_sounds(app),
        vendor_settings=_object(app, "vendor"),
    )
    _set_channels(phone, app["channels"] if app.get("channels") is not None else list(OWN_CHANNELS.get(brand, ())), "app.channels")
    for name, setter in _SETTERS.items():
        if name in order:
            setter(phone, order[name], name)
    phone.token = vendor.issue_token(phone)
    world.add_phone(phone)
    world.publish({"event": "phone_created", "phone_id": phone.id})
    return phone


def change_phone(world: World, phone: Phone, order: dict[str, Any]) -> None:
    """Change what a user can change; what the vendor kept arrives when the phone is back. Raises BadOrder and changes nothing then."""
    _known(order, set(_SETTERS) | {"app_installed"})
    for name, value in order.items():
        _SETTERS.get(name, _check_boolean)(_scratch(phone), value, name)
    for name, value in order.items():
        if name in _SETTERS:
            _SETTERS[name](phone, value, name)
    if "app_installed" in order:
        _install(world, phone, order["app_installed"])
    world.release_stored(phone)
    world.publish({"event": "phone_changed", "phone_id": phone.id, "changes": sorted(order)})


def _install(world: World, phone: Phone, installed: bool) -> None:
    """Uninstalling kills the token; installing again gives a new one."""
    if not installed and phone.app_installed:
        phone.app_installed = False
        phone.tray.clear()
        phone.stored.clear()
        phone.app_messages.clear()
        phone.calls.clear()
        phone.badge = 0
    elif installed and not phone.app_installed:
        phone.app_installed = True
        world.change_token(phone, world.vendors[phone.vendor].issue_token(phone))


def phone_json(phone: Phone, *, with_tray: bool = True) -> dict[str, Any]:
    """State and settings of a phone."""
    answer: dict[str, Any] = {
        "phone_id": phone.id,
        "brand": phone.brand,
        "vendor": phone.vendor,
        "token": phone.token,
        "package": phone.package,
        "launcher": phone.launcher,
        "locale": phone.locale,
        "os_version": phone.os_version,
        "notifications_enabled": phone.notifications_enabled,
        "lock_screen": phone.lock_screen,
        "locked": phone.locked,
        "offline": phone.offline,
        "doze": phone.doze,
        "inactive": phone.inactive,
        "app_installed": phone.app_installed,
        "app_state": phone.app_state,
        "badge": phone.badge,
        "channels": [c.as_dict() for c in phone.channels.values()],
        "sounds": sorted(phone.sounds),
        "stored": len(phone.stored),
        "manifest": phone.manifest.as_dict() if phone.manifest is not None else None,
    }
    if phone.voip_token:
        answer["voip_token"] = phone.voip_token
        answer["calls"] = list(phone.calls)
    if with_tray:
        answer["tray"] = tray_json(phone)
        answer["app_messages"] = list(phone.app_messages)
    return answer


def intent_uri_of(phone: Phone) -> str | None:
    """A click value that opens the first page of the app that takes data, in the form of the seed page."""
    for activity in phone.manifest.activities if phone.manifest is not None else ():
        for filter_ in activity.filters:
            if activity.exported and ACTION_VIEW in filter_.actions and filter_.schemes and filter_.hosts:
                host, path = sorted(filter_.hosts)[0][0], next((v for kind, v in filter_.paths if kind in ("path", "pathPrefix")), "")
                fields = f"scheme={sorted(filter_.schemes)[0]};launchFlags=0x4000000;component={phone.package}/{activity.name};end"
                return f"intent://{host}{path}#Intent;{fields}"
    return None


def tray_json(phone: Phone) -> list[dict[str, Any]]:
    """What the tray shows, oldest first; ``n`` is the place, which the tap call takes."""
    return [_item_json(phone, n, item) for n, item in enumerate(phone.tray)]


def _item_json(phone: Phone, n: int, item: TrayItem) -> dict[str, Any]:
    notice = item.notice
    return {
        "n": n,
        "id": item.id,
        "title": notice.title,
        "body": notice.body,
        "sound": item.sound,
        "channel": item.channel,
        "badge": item.badge,
        "image": notice.image,
        "group": notice.group,
        "vendor": notice.vendor,
        "vendor_message_id": notice.message_id,
        "received_at": item.received_at_ms,
        "click": {"kind": str(notice.tap), "value": notice.tap_value},
        "extras": notice.extras,
        "lock_screen": _on_lock_screen(phone, item),
    }


def _on_lock_screen(phone: Phone, item: TrayItem) -> dict[str, str] | None:
    """What a locked screen shows of it: the whole, only that there is something, or nothing."""
    if phone.lock_screen == "hide" or item.notice.visibility == "secret":
        return None
    if phone.lock_screen == "hide_content":
        return {"title": phone.package, "body": ""}
    return {"title": item.notice.title, "body": item.notice.body}


def _manifest(app: dict[str, Any]) -> Manifest:
    xml, package = app.get("manifest"), _text(app, "package", "") or None
    if xml is not None and not isinstance(xml, str):
        raise BadOrder("bad_manifest", "app.manifest must be the text of an AndroidManifest.xml")
    try:
        return read_manifest(DEFAULT_MANIFEST if xml is None else xml, package)
    except BadManifest as problem:
        raise BadOrder("bad_manifest", str(problem), "leave app.manifest out to get the demo app's") from None


def _signing(value: Any) -> str:
    """Whatever describes the signing certificate, as text; nothing is checked against it."""
    if value is None:
        return ""
    return (value if isinstance(value, str) else json.dumps(value))[:10_000]


def _sounds(app: dict[str, Any]) -> frozenset[str]:
    value = app.get("sounds")
    if value is None:
        return frozenset(DEFAULT_SOUNDS)
    if not isinstance(value, list) or not all(isinstance(s, str) for s in value):
        raise BadOrder("bad_value", "app.sounds must be a list of names in res/raw")
    return frozenset(value)


def _known(order: dict[str, Any], names: set[str], prefix: str = "") -> None:
    unknown = sorted(set(order) - names)
    if unknown:
        raise BadOrder("unknown_field", f"unknown field {prefix}{unknown[0]}", f"known are {', '.join(sorted(names))}")


def _object(order: dict[str, Any], name: str) -> dict[str, Any]:
    value = order.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadOrder("bad_value", f"{name} must be an object")
    return value


def _text(order: dict[str, Any], name: str, default: str) -> str:
    value = order.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or len(value) > 1000:
        raise BadOrder("bad_value", f"{name} must be text of at most 1000 characters")
    return value


def _check_boolean(_phone: Phone, value: Any, name: str) -> None:
    if not isinstance(value, bool):
        raise BadOrder("bad_value", f"{name} must be true or false")


def _boolean(phone: Phone, value: Any, name: str) -> None:
    _check_boolean(phone, value, name)
    setattr(phone, name, value)


def _one_of(choices: tuple[str, ...]) -> Callable[[Phone, Any, str], None]:
    def set_it(phone: Phone, value: Any, name: str) -> None:
        if value not in choices:
            raise BadOrder("bad_value", f"{name} must be one of {', '.join(choices)}")
        setattr(phone, name, value)

    return set_it


def _set_locale(phone: Phone, value: Any, name: str) -> None:
    if not isinstance(value, str) or not 2 <= len(value) <= 35:
        raise BadOrder("bad_value", f"{name} must be a language tag, as in zh-CN")
    phone.locale = value


def _set_badge(phone: Phone, value: Any, name: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1_000_000:
        raise BadOrder("bad_value", f"{name} must be a whole number from 0")
    phone.badge = value


def _set_channels(phone: Phone, value: Any, name: str) -> None:
    """The app creates these channels. One that exists keeps its sound, as on a real phone; the user may change its importance."""
    if not isinstance(value, list) or len(value) > MAX_CHANNELS:
        raise BadOrder("bad_value", f"{name} must be a list of at most {MAX_CHANNELS} channels")
    for entry in value:
        channel = _channel(entry, name)
        present = phone.channels.get(channel.id)
        if present is None:
            phone.channels[channel.id] = channel
        elif isinstance(entry, dict) and "importance" in entry:
            present.importance = channel.importance


def _channel(entry: Any, name: str) -> PhoneChannel:
    if isinstance(entry, str):
        entry = {"id": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not entry["id"]:
        raise BadOrder("bad_value", f"each of {name} needs an id", 'for example {"id": "im", "importance": "high", "sound": "default"}')
    _known(entry, {"id", "name", "importance", "sound", "created_by"}, f"{name}.")
    importance, sound = entry.get("importance", "default"), entry.get("sound", "default")
    if importance not in IMPORTANCES or not isinstance(sound, str | None):
        raise BadOrder("bad_value", f"{name}: importance is one of {', '.join(IMPORTANCES)}; sound is a name or null")
    return PhoneChannel(entry["id"], str(entry.get("name") or ""), importance, sound)


def _scratch(phone: Phone) -> Phone:
    """A copy to try settings on, so that a bad order changes nothing."""
    return Phone(phone.id, phone.brand, phone.vendor, phone.package, phone.manifest, phone.launcher)


_SETTERS: dict[str, Callable[[Phone, Any, str], None]] = {
    "notifications_enabled": _boolean,
    "locked": _boolean,
    "offline": _boolean,
    "doze": _boolean,
    "inactive": _boolean,
    "lock_screen": _one_of(LOCK_SCREEN),
    "app_state": _one_of(APP_STATES),
    "badge": _set_badge,
    "locale": _set_locale,
    "channels": _set_channels,
}
