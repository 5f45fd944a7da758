"""What would fail or bite silently with a vivo certificate, and the cure (vendor sheet vivo, sections 3, 7, 8 and 9)."""

from __future__ import annotations

from collections.abc import Iterator

from homing.channels.base import Capabilities, FieldProblem
from homing.channels.checks import common_problems, missing
from homing.channels.clicks import page_problem
from homing.channels.urls import receipt_url
from homing.channels.vivo_fields import VivoCredentials, VivoOptions
from homing.channels.vivo_message import MAX_CALLBACK, MAX_SKIP_CONTENT, OPERATIONAL, SYSTEM, app_number, click
from homing.model.certificates import Certificate


def problems(certificate: Certificate, capabilities: Capabilities) -> list[FieldProblem]:
    """Everything about this certificate that the vendor would refuse, and then what it would take and not do."""
    credentials: VivoCredentials = certificate.credentials
    options: VivoOptions = certificate.options
    found = missing("app_id", credentials.app_id)
    if credentials.app_id and not app_number(credentials.app_id):
        found.append(FieldProblem("app_id", "app_id is not a number", "Copy the AppID, not the AppKey, from vivo's console"))
    for name, value in (("app_key", credentials.app_key), ("app_secret", credentials.app_secret)):
        found += missing(name, value)
        if not value.isascii():
            found.append(FieldProblem(name, f"{name} has characters that none has", "Copy it again from the console"))
    if problem := page_problem(options):
        found.append(problem)
    if len(str(click(options).get("skipContent", ""))) > MAX_SKIP_CONTENT:
        found.append(FieldProblem("click_value", "click_value is longer than the 1024 characters that vivo takes", "Shorten it"))
    found += _classes(options)
    return found + common_problems(options, capabilities) + list(_warnings(certificate))


def _classes(options: VivoOptions) -> Iterator[FieldProblem]:
    if options.classification not in {0, 1}:
        yield FieldProblem("classification", "classification is neither 0 nor 1", "1 system, 0 operational")
    if options.notification_class == "public" and options.category.upper() in SYSTEM:
        sentence = f"a public certificate has the system category {options.category}: vivo bans apps for that"
        yield FieldProblem("category", sentence, "Use an operational category, or notification_class=private")
    if not options.neutral_text.strip() or len(options.neutral_text) > 20:
        yield FieldProblem("neutral_text", "neutral_text is empty, or longer than 20 characters", "A short Chinese sentence passes best")


def _warnings(certificate: Certificate) -> Iterator[FieldProblem]:
    options: VivoOptions = certificate.options
    category = options.category.upper()
    if options.notification_class == "private" and category not in SYSTEM:
        sentence = "without a system category messages are operational: silent, from 07:00 to 23:00, two a day and device"
        yield FieldProblem("category", sentence, "Set category=IM", warning=True)
    if category and category not in SYSTEM | OPERATIONAL:
        yield FieldProblem("category", f"category {options.category} is not one that vivo has published", "IM for chat", warning=True)
    if options.test_mode:
        sentence = "in test mode only phones that are listed in vivo's console get anything"
        yield FieldProblem("test_mode", sentence, "Set test_mode=0 when the app is approved", warning=True)
    if options.sound:
        yield FieldProblem("sound", "vivo plays the tone of the message's class, so sound does nothing", "Leave it out", warning=True)
    if options.channel_id:
        yield FieldProblem("channel_id", "vivo has no channel ids; the category decides", "Leave it out", warning=True)
    yield from _receipt_warnings(certificate)


def _receipt_warnings(certificate: Certificate) -> Iterator[FieldProblem]:
    options: VivoOptions = certificate.options
    if "/" in options.receipt_id:
        sentence = "receipt_id is a URL; vivo wants the id that its console shows for the registered URL"
        yield FieldProblem("receipt_id", sentence, "Copy the id, or use callback_base_url alone", warning=True)
    if options.receipt_id:
        return
    url = receipt_url(options.callback_base_url, certificate.receipt_path)
    if len(url) > MAX_CALLBACK:
        sentence = "the receipt URL is longer than the 128 characters that vivo takes, so there are no receipts"
        yield FieldProblem("callback_base_url", sentence, "Use a shorter host or path, or a receipt_id", warning=True)
    elif url and options.list_from:
        sentence = "a receipt URL in the message works for single sends only; group sends have no receipts"
        yield FieldProblem("list_from", sentence, "Register the URL in vivo's console and set receipt_id, or set list_from=0", warning=True)
