"""Click targets: what ``click_value`` names, in the form a vendor wants it."""

from __future__ import annotations

from homing.channels.base import CommonOptions, FieldProblem
from homing.rules.intents import activity_of, intent_uri


def opens_page(options: CommonOptions) -> bool:
    """Whether a tap opens a page inside the app."""
    return options.click_action == "page" and bool(options.click_value)


def page_action(options: CommonOptions) -> str:
    """The intent action that ``click_value`` names, "" where it names an intent URI or an activity.

    A bare dotted name is an activity when its last part is written like a class, else an action (``com.example.OPEN_CHAT``).
    """
    value = options.click_value
    if not opens_page(options) or value.startswith(("intent:", "activity:")) or "/" in value:
        return ""
    last = value.rpartition(".")[2]
    looks_like_class = "." in value and any(character.islower() for character in last) and last[:1].isupper()
    return "" if looks_like_class else value


def page_intent(options: CommonOptions) -> str:
    """The intent URI that opens the certificate's page, made from an activity or an action where it is not one already."""
    value = options.click_value
    if not opens_page(options):
        return ""
    if value.startswith("intent:"):
        return value
    if action := page_action(options):
        return intent_uri(action=action, package=options.package_name)
    package, slash, _ = value.removeprefix("activity:").partition("/")
    package = package if slash else options.package_name
    activity = activity_of(value)
    return intent_uri(component=f"{package}/{activity}") if package and activity else ""


def no_action_problem(vendor: str) -> FieldProblem:
    """What to say where ``click_value`` names a page in a way that this vendor has not."""
    cure = "Use the activity's full class name, or an intent URI with a component or a scheme"
    return FieldProblem("click_value", f"{vendor} opens an activity or an address of the app's own scheme, not an action", cure)


def page_problem(options: CommonOptions) -> FieldProblem | None:
    """What keeps a vendor from opening the certificate's page."""
    if not opens_page(options) or page_intent(options) or page_action(options):
        return None
    return FieldProblem("package_name", "click_value is an activity, and package_name is missing", "Pass --set package_name=…")
