"""An AndroidManifest.xml as the package manager reads it: activities, intent filters, the launcher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

ANDROID = "{http://schemas.android.com/apk/res/android}"
ACTION_MAIN = "android.intent.action.MAIN"
ACTION_VIEW = "android.intent.action.VIEW"
CATEGORY_LAUNCHER = "android.intent.category.LAUNCHER"
CATEGORY_DEFAULT = "android.intent.category.DEFAULT"
MAX_MANIFEST_CHARS = 1_000_000

#: The app of the seed page: the chat opens in MainActivity through pushscheme://com.tencent.qcloud/detail.
DEFAULT_MANIFEST = """<?xml version="1.0" encoding="utf-8"?>
<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="com.tencent.qcloud.tim.tuikit">
  <application android:label="Chat">
    <activity android:name="com.tencent.qcloud.tim.demo.SplashActivity" android:exported="true">
      <intent-filter>
        <action android:name="android.intent.action.MAIN" />
        <category android:name="android.intent.category.LAUNCHER" />
      </intent-filter>
    </activity>
    <activity
        android:name="com.tencent.qcloud.tim.demo.main.MainActivity"
        android:exported="true"
        android:launchMode="singleTask"
        android:screenOrientation="portrait"
        android:windowSoftInputMode="adjustResize|stateHidden">
      <intent-filter>
        <action android:name="android.intent.action.VIEW" />
        <category android:name="android.intent.category.DEFAULT" />
        <category android:name="android.intent.category.BROWSABLE" />
        <data android:host="com.tencent.qcloud" android:path="/detail" android:scheme="pushscheme" />
      </intent-filter>
    </activity>
  </application>
</manifest>
"""


class BadManifest(ValueError):
    """The manifest cannot be installed; the text says why."""


@dataclass(frozen=True, slots=True)
class IntentFilter:
    """One intent filter. Android matches schemes, hosts and paths of all ``data`` elements together."""

    actions: frozenset[str]
    categories: frozenset[str]
    schemes: frozenset[str]
    hosts: frozenset[tuple[str, str]]  # (host, port or "")
    paths: tuple[tuple[str, str], ...]  # (kind, value): path, pathPrefix, pathPattern, pathSuffix
    mime_types: frozenset[str]


@dataclass(frozen=True, slots=True)
class Activity:
    """One activity (or alias, whose ``target`` is the real one)."""

    name: str
    exported: bool
    enabled: bool
    permission: str
    filters: tuple[IntentFilter, ...]
    target: str

    @property
    def is_launcher(self) -> bool:
        """Whether the home screen shows it."""
        return self.enabled and any(ACTION_MAIN in f.actions and CATEGORY_LAUNCHER in f.categories for f in self.filters)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the package manager knows of an installed app."""

    package: str
    activities: tuple[Activity, ...]
    metadata: dict[str, str]

    @property
    def launcher(self) -> str | None:
        """Class name of the first launcher activity."""
        return next((a.name for a in self.activities if a.is_launcher), None)

    def activity(self, name: str) -> Activity | None:
        """The activity of this class name, which may be written short (".MainActivity")."""
        wanted = full_class_name(self.package, name)
        return next((a for a in self.activities if a.name == wanted), None)

    def as_dict(self) -> dict[str, Any]:
        """For the control API."""
        return {
            "package": self.package,
            "launcher": self.launcher,
            "activities": [{"name": a.name, "exported": a.exported} for a in self.activities],
        }


def full_class_name(package: str, name: str) -> str:
    """The class name as Android completes it: ".Main" and "Main" belong to the package."""
    if name.startswith("."):
        return package + name
    return name if "." in name else f"{package}.{name}"


def read_manifest(xml: str, package: str | None = None) -> Manifest:
    """Parse a manifest. ``package`` (the applicationId of the build) wins over the one in the file. Raises BadManifest."""
    if len(xml) > MAX_MANIFEST_CHARS:
        raise BadManifest(f"the manifest is longer than {MAX_MANIFEST_CHARS} characters")
    try:
        root = fromstring(xml.encode("utf-8", "surrogatepass"))
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise BadManifest(f"the manifest is not XML that can be read: {error}") from None
    if root.tag != "manifest":
        raise BadManifest(f"the root element is <{root.tag}>, not <manifest>")
    namespace = root.get("package") or package or ""
    if not namespace:
        raise BadManifest("the manifest has no package attribute and no package was given")
    application = root.find("application")
    if application is None:
        raise BadManifest("the manifest has no <application> element")
    activities = [_activity(e, namespace) for tag in ("activity", "activity-alias") for e in application.findall(tag)]
    metadata = {m.get(ANDROID + "name", ""): m.get(ANDROID + "value", "") for m in application.findall("meta-data")}
    return Manifest(package or namespace, tuple(activities), metadata)


def _activity(element: Element, package: str) -> Activity:
    name = element.get(ANDROID + "name")
    if not name:
        raise BadManifest(f"an <{element.tag}> has no android:name")
    filters = tuple(_filter(f) for f in element.findall("intent-filter"))
    exported = element.get(ANDROID + "exported")
    full = full_class_name(package, name)
    target = element.get(ANDROID + "targetActivity")
    return Activity(
        name=full,
        exported=exported == "true" if exported is not None else bool(filters),  # the rule before Android 12
        enabled=element.get(ANDROID + "enabled", "true") == "true",
        permission=element.get(ANDROID + "permission", ""),
        filters=filters,
        target=full_class_name(package, target) if target else full,
    )


def _filter(element: Element) -> IntentFilter:
    data = element.findall("data")
    paths = [
        (kind, d.get(ANDROID + kind, ""))
        for d in data
        for kind in ("path", "pathPrefix", "pathPattern", "pathSuffix")
        if d.get(ANDROID + kind) is not None
    ]
    return IntentFilter(
        actions=_names(element, "action"),
        categories=_names(element, "category"),
        schemes=frozenset(d.get(ANDROID + "scheme", "") for d in data if d.get(ANDROID + "scheme")),
        hosts=frozenset((d.get(ANDROID + "host", ""), d.get(ANDROID + "port", "")) for d in data if d.get(ANDROID + "host")),
        paths=tuple(paths),
        mime_types=frozenset(d.get(ANDROID + "mimeType", "") for d in data if d.get(ANDROID + "mimeType")),
    )


def _names(element: Element, tag: str) -> frozenset[str]:
    return frozenset(e.get(ANDROID + "name", "") for e in element.findall(tag))
