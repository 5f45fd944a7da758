"""What would fail or bite silently with an OPPO certificate, and the cure (vendor sheet oppo, sections 3, 8 and 9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from homing.channels.base import Capabilities, FieldProblem
from homing.channels.checks import common_problems, missing
from homing.channels.clicks import opens_page
from homing.channels.oppo_fields import OppoCredentials, OppoOptions
from homing.channels.oppo_message import HOSTS, MARKETING, MAX_CALLBACK, click
from homing.channels.oppo_templates import placeholders
from homing.channels.urls import receipt_url
from homing.model.certificates import Certificate

SERVICE: Final = frozenset({"IM", "ACCOUNT", "DEVICE_REMINDER", "ORDER", "TODO", "SUBSCRIPTION"})
_LEVELS: Final = frozenset({0, 1, 2, 16})
_STRONG: Final = 16


def problems(certificate: Certificate, capabilities: Capabilities) -> list[FieldProblem]:
    """Everything about this certificate that the vendor would refuse, and then what it would take and not do."""
    credentials: OppoCredentials = certificate.credentials
    options: OppoOptions = certificate.options
    found = missing("app_key", credentials.app_key) + missing("master_secret", credentials.master_secret)
    for name, value in (("app_key", credentials.app_key), ("master_secret", credentials.master_secret)):
        if not value.isascii():
            found.append(FieldProblem(name, f"{name} has characters that none has", "Copy it again from the console"))
    if options.without_channel not in {"suppress", "send"}:
        found.append(FieldProblem("without_channel", "without_channel is neither suppress nor send", "Use one of the two"))
    if options.region not in HOSTS:
        found.append(FieldProblem("region", f"region is none of {', '.join(HOSTS)}", "Use one of them"))
    found += _classes(options)
    found += _templates(options)
    found += _click(options)
    return found + common_problems(options, capabilities) + list(_warnings(certificate))


def _classes(options: OppoOptions) -> Iterator[FieldProblem]:
    if options.notify_level not in _LEVELS:
        yield FieldProblem("notify_level", "notify_level is none of 0, 1, 2, 16", "Use one of them")
    elif options.notify_level and not options.category:
        yield FieldProblem("notify_level", "notify_level without category is refused", "Set category=IM, or notify_level=0")
    if options.notification_class == "public" and options.category.upper() in SERVICE:
        sentence = f"a public certificate has the service category {options.category}: OPPO freezes apps for that"
        yield FieldProblem("category", sentence, "Use a marketing category, or notification_class=private")


def _templates(options: OppoOptions) -> Iterator[FieldProblem]:
    for name, value in (("template_title", options.template_title), ("template_content", options.template_content)):
        if value and placeholders(value) is None:
            yield FieldProblem(name, f"{name} is not a JSON object of texts with a name or more", 'For example {"text":"{body}"}')
        elif value and not options.template_id:
            yield FieldProblem("template_id", f"{name} is given without template_id", "Pass --set template_id=…", warning=True)


def _click(options: OppoOptions) -> Iterator[FieldProblem]:
    if not opens_page(options):
        return
    fixed, _ = click(options)
    target = str(fixed.get("click_action_activity", fixed.get("click_action_url", "")))
    if not target:
        yield FieldProblem("click_value", "click_value names no page", "Use the activity's full class name, an action or an intent URI")
    elif target.startswith("."):
        yield FieldProblem("package_name", "click_value is a short class name, and package_name is missing", "Pass --set package_name=…")
    elif len(target) > 500 and "click_action_activity" in fixed:
        yield FieldProblem("click_value", "click_value is longer than the 500 characters that OPPO takes", "Use a shorter name")


def _warnings(certificate: Certificate) -> Iterator[FieldProblem]:
    options: OppoOptions = certificate.options
    category = options.category.upper()
    if not options.channel_id and not options.category:
        done = "are suppressed" if options.without_channel == "suppress" else "are sent, and not shown"
        sentence = f"without channel_id nothing is shown on Android 8 and later: messages that bring no OPPOChannelID {done}"
        cure = "Set channel_id to a channel that the app creates, and register it as private in OPPO's console"
        yield FieldProblem("channel_id", sentence, cure, warning=True)
    if category and category not in SERVICE | MARKETING:
        yield FieldProblem("category", f"category {options.category} is not one that OPPO has published", "IM for chat", warning=True)
    if category == "IM" and not options.template_id:
        sentence = "many apps must send an approved template with category IM; OPPO answers code 54 without one"
        yield FieldProblem("template_id", sentence, "Apply for a private-message template in OPPO's console", warning=True)
    if options.notify_level == _STRONG:
        sentence = "notify_level 16 needs an approval of its own; OPPO answers code 67 without it"
        yield FieldProblem("notify_level", sentence, "Apply for it in the console, or use 2", warning=True)
    if options.sound:
        sentence = "OPPO plays the tone of the channel, so sound does nothing"
        yield FieldProblem("sound", sentence, "Give the channel its tone where the app creates it", warning=True)
    if len(receipt_url(options.callback_base_url, certificate.receipt_path)) > MAX_CALLBACK:
        sentence = "the receipt URL is longer than the 200 characters that OPPO takes, so there are no receipts"
        yield FieldProblem("callback_base_url", sentence, "Use a shorter host or path", warning=True)
