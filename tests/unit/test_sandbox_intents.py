"""A tap resolved against a manifest as Android would."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.sandbox.base import Notice, TapKind
from homing.sandbox.intents import BadIntent, parse_intent_uri
from homing.sandbox.manifest import DEFAULT_MANIFEST, BadManifest, read_manifest
from homing.sandbox.phones import Phone
from homing.sandbox.tap import TapResult, open_notification

PACKAGE = "com.example.im"
MANIFEST = """<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="com.example.im">
 <application>
  <meta-data android:name="tone" android:value="ring"/>
  <activity android:name=".Start" android:exported="true">
   <intent-filter>
    <action android:name="android.intent.action.MAIN"/><category android:name="android.intent.category.LAUNCHER"/>
   </intent-filter>
  </activity>
  <activity android:name=".Chat" android:exported="true">
   <intent-filter>
    <action android:name="android.intent.action.VIEW"/><category android:name="android.intent.category.DEFAULT"/>
    <data android:scheme="pushscheme" android:host="com.example.im" android:path="/detail"/>
    <data android:pathPrefix="/room/"/>
    <data android:pathPattern="/p.*/end"/>
   </intent-filter>
   <intent-filter><action android:name="com.example.im.OPEN"/><category android:name="android.intent.category.DEFAULT"/></intent-filter>
  </activity>
  <activity android:name=".Inside" android:exported="false">
   <intent-filter><action android:name="com.example.im.INSIDE"/><category android:name="android.intent.category.DEFAULT"/></intent-filter>
  </activity>
  <activity android:name=".Guarded" android:exported="true" android:permission="com.example.SECRET"/>
  <activity android:name=".Off" android:exported="true" android:enabled="false"/>
  <activity android:name=".NoDefault" android:exported="true">
   <intent-filter><action android:name="com.example.im.NODEFAULT"/></intent-filter>
  </activity>
  <activity-alias android:name=".Alias" android:targetActivity=".Chat" android:exported="true"/>
 </application>
</manifest>"""


def tap(kind: TapKind, value: str = "", **more: object) -> TapResult:
    manifest = read_manifest(MANIFEST)
    phone = Phone("p", "huawei", "huawei", PACKAGE, manifest, manifest.launcher or "")
    notice = Notice("huawei", "1", PACKAGE, tap=kind, tap_value=value, extras={"ext": "{}"}, **more)  # type: ignore[arg-type]
    return open_notification(phone, notice)


def uri(path: str = "/detail", scheme: str = "pushscheme", component: str = f"component={PACKAGE}/{PACKAGE}.Chat;", more: str = "") -> str:
    return f"intent://com.example.im{path}#Intent;scheme={scheme};launchFlags=0x4000000;{component}{more}end"


@pytest.mark.parametrize("path", ["/detail", "/detail?conv=c2c_u1", "/room/7", "/park/end"])
def test_the_page_opens_when_scheme_host_and_path_match(path: str) -> None:
    for component in (f"component={PACKAGE}/{PACKAGE}.Chat;", f"component={PACKAGE}/.Chat;", "", f"package={PACKAGE};"):
        result = tap(TapKind.INTENT_URI, uri(path, component=component, more="S.k=a%3Bb;i.n=7;B.t=true;"))
        assert (result.error, result.activity) == (None, f"{PACKAGE}.Chat")
        assert result.data == f"pushscheme://com.example.im{path}"
        assert result.extras == {"k": "a;b", "n": 7, "t": True, "ext": "{}"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (uri("/other"), "no intent-filter of"),
        (uri(scheme="Pushscheme"), "no intent-filter of"),
        (uri(component=f"component={PACKAGE}/.Gone;"), "no activity com.example.im.Gone"),
        (uri(component="component=com.other/com.other.Main;"), "com.other"),
        (uri(component=f"component={PACKAGE}.Chat;"), "package/class"),
        (uri(component=f"component={PACKAGE}/.Guarded;"), "permission"),
        (uri(component=f"component={PACKAGE}/.Off;"), "disabled"),
        (uri(component=f"component={PACKAGE}/.Inside;"), "not exported"),
        (uri("/other", component=""), "category DEFAULT"),
        (uri().removesuffix("end"), "no end"),
        ("https://example.com", "no #Intent;"),
        ("intent://a/b#Intent;launchFlags=x;end", "not a number"),
        ("intent://a/b#Intent;colour=red;end", "unknown field"),
    ],
)
def test_what_does_not_resolve_is_told_in_words(value: str, words: str) -> None:
    result = tap(TapKind.INTENT_URI, value)
    assert result.activity is None
    assert result.error is not None
    assert words in result.error


def test_other_click_actions() -> None:
    assert tap(TapKind.LAUNCHER).activity == f"{PACKAGE}.Start"
    assert tap(TapKind.ACTION, "com.example.im.OPEN").activity == f"{PACKAGE}.Chat"
    assert tap(TapKind.ACTIVITY, f"{PACKAGE}.Chat").activity == f"{PACKAGE}.Chat"
    assert tap(TapKind.ACTIVITY, ".Alias").activity == f"{PACKAGE}.Chat"
    assert tap(TapKind.WEB, "https://example.com/a") == TapResult("browser", "https://example.com/a", {})
    assert tap(TapKind.RECEIVER).receiver
    assert tap(TapKind.ACTION, "com.example.im.NODEFAULT").error is not None
    assert tap(TapKind.WEB, "javascript:1").error is not None


def test_an_app_may_open_its_own_page_that_is_not_exported() -> None:
    assert "not exported" in (tap(TapKind.ACTION, "com.example.im.INSIDE").error or "")
    assert tap(TapKind.ACTION, "com.example.im.INSIDE", started_by_app=True).activity == f"{PACKAGE}.Inside"


def test_the_default_manifest_opens_the_demo_page() -> None:
    manifest = read_manifest(DEFAULT_MANIFEST)
    assert manifest.package == "com.tencent.qcloud.tim.tuikit"
    assert manifest.launcher == "com.tencent.qcloud.tim.demo.SplashActivity"


def test_the_application_id_may_differ_from_the_namespace() -> None:
    manifest = read_manifest(MANIFEST, "com.example.im.beta")
    assert (manifest.package, manifest.launcher) == ("com.example.im.beta", f"{PACKAGE}.Start")


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<manifest",
        "<html/>",
        "<manifest package='a.b'/>",
        "<manifest><application/></manifest>",
        "<manifest package='a.b'><application><activity/></application></manifest>",
        "<!DOCTYPE m [<!ENTITY a 'b'><!ENTITY c '&a;&a;'>]><manifest package='a.b'><application>&c;</application></manifest>",
    ],
)
def test_a_bad_manifest_is_refused(xml: str) -> None:
    with pytest.raises(BadManifest):
        read_manifest(xml)


@given(st.one_of(st.text(), st.text(alphabet="intent:/#I;=.Send%component").map(lambda t: f"intent://a#Intent;{t};end")))
def test_any_text_is_an_intent_or_a_bad_intent(text: str) -> None:
    with contextlib.suppress(BadIntent):
        assert parse_intent_uri(text).action is not None
