"""A tap on a notification: which page opens, with what, resolved against the installed app's manifest as Android would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .base import Notice, TapKind
from .intents import BadIntent, Intent, activity_takes, parse_intent_uri
from .manifest import Activity, full_class_name
from .phones import Phone

BROWSER = "browser"


@dataclass(slots=True)
class TapResult:
    """What opened. ``error`` says in words why nothing did."""

    activity: str | None = None
    data: str | None = None
    extras: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    receiver: bool = False  # the app's own receiver got the click; it decides what opens

    def as_dict(self) -> dict[str, Any]:
        """For the control API."""
        answer: dict[str, Any] = {"activity": self.activity, "data": self.data, "extras": self.extras}
        if self.receiver:
            answer["receiver"] = True
        if self.error is not None:
            answer["error"] = self.error
        return answer


def open_notification(phone: Phone, notice: Notice) -> TapResult:
    """Resolve a notice's click action on this phone."""
    if not phone.app_installed:
        return TapResult(error=f"the app {phone.package} is not installed")
    if notice.tap is TapKind.WEB:
        return _web(notice)
    if notice.tap is TapKind.RECEIVER:
        return TapResult(extras=notice.extras, receiver=True)
    if notice.tap is TapKind.PAGE:
        return TapResult(phone.launcher, notice.tap_value, dict(notice.extras))
    if notice.tap is TapKind.NO_PAGE:
        return TapResult(error=notice.tap_value)
    if notice.tap is TapKind.LAUNCHER or phone.manifest is None:
        return _launcher(phone, notice)
    if notice.tap is TapKind.ACTION:
        return _implicit(phone, Intent(action=notice.tap_value, data=notice.tap_data), notice)
    if notice.tap is TapKind.ACTIVITY:
        component = (phone.package, full_class_name(phone.package, notice.tap_value))
        return _explicit(phone, Intent(data=notice.tap_data, component=component), notice)
    return _intent_uri(phone, notice)


def _web(notice: Notice) -> TapResult:
    if not notice.tap_value.lower().startswith(("http://", "https://")):
        return TapResult(error=f"{notice.tap_value!r} is not a web address")
    return TapResult(BROWSER, notice.tap_value, {})


def _launcher(phone: Phone, notice: Notice) -> TapResult:
    if not phone.launcher:
        return TapResult(error=f"the app {phone.package} has no launcher activity (action MAIN, category LAUNCHER)")
    return TapResult(phone.launcher, None, dict(notice.extras))


def _intent_uri(phone: Phone, notice: Notice) -> TapResult:
    try:
        intent = parse_intent_uri(notice.tap_value)
    except BadIntent as problem:
        return TapResult(error=f"the intent URI cannot be read: {problem}")
    if intent.component is not None:
        return _explicit(phone, intent, notice)
    return _implicit(phone, intent, notice)


def _explicit(phone: Phone, intent: Intent, notice: Notice) -> TapResult:
    if phone.manifest is None or intent.component is None:
        return TapResult(error="there is no activity to open")
    package, name = intent.component
    if package != phone.package:
        return TapResult(error=f"the intent names the app {package}, but {phone.package} is installed")
    activity = phone.manifest.activity(name)
    if activity is None:
        return TapResult(error=f"no activity {name} in the manifest of {phone.package}")
    problem = _closed(activity, notice)
    if problem is None and intent.data and not activity_takes(activity, intent, implicit=False):
        problem = f"no intent-filter of {name} takes the data {intent.data} (scheme, host and path must match the manifest)"
    return TapResult(error=problem) if problem else _opened(activity, intent, notice)


def _implicit(phone: Phone, intent: Intent, notice: Notice) -> TapResult:
    if intent.package and intent.package != phone.package:
        return TapResult(error=f"the intent names the app {intent.package}, but {phone.package} is installed")
    activities = phone.manifest.activities if phone.manifest is not None else ()
    fitting = [a for a in activities if activity_takes(a, intent, implicit=True)]
    problems = [_closed(a, notice) for a in fitting]
    for activity, problem in zip(fitting, problems, strict=True):
        if problem is None:
            return _opened(activity, intent, notice)
    if problems:
        return TapResult(error=problems[0])
    wanted = f"action {intent.action}" + (f" and data {intent.data}" if intent.data else "")
    return TapResult(error=f"no activity of {phone.package} has an intent-filter with {wanted} and the category DEFAULT")


def _closed(activity: Activity, notice: Notice) -> str | None:
    """The vendor's system app starts the page from outside, so it must be exported and unprotected."""
    if not activity.enabled:
        return f"the activity {activity.name} is disabled"
    if notice.started_by_app:
        return None
    if not activity.exported:
        return f"the activity {activity.name} is not exported (android:exported must be true)"
    return f"the activity {activity.name} is protected by the permission {activity.permission}" if activity.permission else None


def _opened(activity: Activity, intent: Intent, notice: Notice) -> TapResult:
    return TapResult(activity.target, intent.data, {**intent.extras, **notice.extras})
