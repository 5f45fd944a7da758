"""What may be wrong with any vendor's certificate, found before anything is sent."""

from __future__ import annotations

from homing.channels.base import Capabilities, CommonOptions, FieldProblem
from homing.channels.urls import url_problem
from homing.rules.intents import intent_problems

MAX_CLICK_VALUE_BYTES = 1024


def common_problems(options: CommonOptions, capabilities: Capabilities) -> list[FieldProblem]:
    """The problems of the options that every channel has."""
    found = [problem for problem in _urls(options) if problem]
    found += _choices(options)
    found += _click(options, capabilities)
    if len(options.channel_id.encode()) > 128:
        found.append(FieldProblem("channel_id", "channel_id is longer than 128 bytes", "Use the id that the app creates the channel with"))
    if len(options.sound.encode()) > 128:
        found.append(FieldProblem("sound", "sound is longer than 128 bytes", "Use the file's name only"))
    return found


def missing(field: str, value: object) -> list[FieldProblem]:
    """A problem where a required value is empty."""
    return [] if value else [FieldProblem(field, f"{field} is missing", f"Pass --set {field}=… or --file {field}=PATH")]


def _urls(options: CommonOptions) -> list[FieldProblem | None]:
    return [
        url_problem(name, value)
        for name, value in (
            ("base_url", options.base_url),
            ("auth_url", options.auth_url),
            ("callback_base_url", options.callback_base_url),
        )
        if value
    ]


def _choices(options: CommonOptions) -> list[FieldProblem]:
    found = []
    if options.click_action not in {"launcher", "page", "web"}:
        found.append(FieldProblem("click_action", "click_action is none of launcher, page, web", "Use one of the three"))
    if options.notification_class not in {"private", "public"}:
        found.append(FieldProblem("notification_class", "notification_class is neither private nor public", "Use one of the two"))
    return found


def _click(options: CommonOptions, capabilities: Capabilities) -> list[FieldProblem]:
    action, value = options.click_action, options.click_value
    if action == "launcher":
        return []
    if action in {"page", "web"} and action not in capabilities.click_actions:
        return [
            FieldProblem(
                "click_action",
                f"this vendor cannot open a {action}; the app opens instead",
                "Use launcher, or route in the app",
                warning=True,
            )
        ]
    if not value:
        return [FieldProblem("click_value", f"click_action {action} needs a click_value", "Pass --set click_value=…")]
    if len(value.encode()) > MAX_CLICK_VALUE_BYTES:
        return [FieldProblem("click_value", "click_value is longer than 1024 bytes", "Shorten it; details belong into ext")]
    if action == "web":
        problem = url_problem("click_value", value, plain_on_loopback=True)
        return [problem] if problem else []
    if value.startswith("intent:"):
        cure = "Copy it from the app's manifest, or from `homing android`"
        return [FieldProblem("click_value", f"click_value cannot be opened: {words}", cure) for words in intent_problems(value)[:1]]
    return []
