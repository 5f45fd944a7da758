"""The demo's page in a real browser: what a newcomer does first, with the mouse and with the keyboard alone."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from homing.demo.cast import BRANDS

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 10_000


def find_browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path is not None:
            return path
    sentence = "NO BROWSER: Chromium is not installed, so the demo page was NOT TESTED; install it with your system's packages"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    print(f"\n{'=' * 100}\n{sentence}\n{'=' * 100}", file=sys.__stderr__)
    pytest.skip(sentence)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = find_browser()
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield chromium
        chromium.close()


@contextlib.contextmanager
def started() -> Iterator[tuple[Any, str]]:
    """A running demo and its page's address; it must end by SIGTERM, with 0 and without a complaint."""
    command = [sys.executable, "-c", "from homing.cli.main import main; main()", "demo", "--no-story", "--json", "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOMING_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield process, json.loads(line)["page"]
        process.terminate()
        assert process.wait(10) == 0, process.stderr.read()
        assert process.stderr.read() == ""


@pytest.fixture
def demo() -> Iterator[str]:
    """A demo of its own for each test; its page's address."""
    with started() as (_, address):
        yield address


@pytest.fixture
def page(browser: Any, demo: str) -> Iterator[Any]:
    with opened(browser, demo, locale="en-GB") as page:
        yield page


@contextlib.contextmanager
def opened(browser: Any, address: str, **context: Any) -> Iterator[Any]:
    """The page, in a window of its own; whatever the browser complains about fails the test."""
    complaints: list[str] = []
    window = browser.new_context(viewport={"width": 1280, "height": 900}, **context)
    page = window.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    expect(page.locator("#link")).to_have_class("link live")
    yield page
    window.close()
    assert complaints == []


def seat(page: Any, slot: str) -> Any:
    return page.locator(f"#{slot}")


def press(page: Any, slot: str, name: str) -> None:
    seat(page, slot).get_by_role("button", name=name, exact=True).click()


def write(page: Any, slot: str, text: str) -> None:
    seat(page, slot).get_by_label("Message", exact=True).fill(text)
    press(page, slot, "Send")


def newest_explanation(page: Any) -> Any:
    return page.locator("#why .message").first


def test_a_message_to_a_locked_phone_lands_in_its_tray_and_a_click_opens_the_chat(page: Any) -> None:
    press(page, "right", "Lock")
    write(page, "left", "Dinner at eight?")
    note = seat(page, "right").locator(".note")
    expect(note).to_contain_text("Alice")
    expect(note).to_contain_text("Dinner at eight?")
    expect(newest_explanation(page)).to_contain_text("pushed")
    note.click()
    expect(seat(page, "right").get_by_role("list", name="Chat with Alice")).to_contain_text("Dinner at eight?")
    expect(seat(page, "right")).to_contain_text("com.tencent.qcloud.tim.demo.main.MainActivity")
    expect(newest_explanation(page).locator(".track .is-done")).to_have_count(3)


def test_a_message_to_an_open_chat_makes_no_notification(page: Any) -> None:
    write(page, "left", "Are you there?")
    expect(newest_explanation(page)).to_contain_text("on the socket")
    expect(newest_explanation(page)).to_contain_text("foreground")
    expect(seat(page, "right").locator(".note")).to_have_count(0)


def test_the_panel_says_logged_out_after_log_out(page: Any) -> None:
    press(page, "right", "Log out")
    expect(seat(page, "right").locator(".login")).to_be_visible()
    write(page, "left", "Still there?")
    expect(newest_explanation(page).locator(".verdict")).to_have_text("not pushed")
    expect(newest_explanation(page).locator("code").first).to_have_text("logged_out")


def test_a_custom_message_shows_its_cure_and_arrives_with_a_description(page: Any) -> None:
    press(page, "right", "Lock")
    composer = seat(page, "left")
    composer.get_by_label("Kind of message").select_option("custom")
    write(page, "left", "Order 4711")
    expect(newest_explanation(page).locator("code").first).to_have_text("no_description")
    expect(newest_explanation(page).locator(".cure")).to_be_visible()
    composer.get_by_label(re.compile("Description")).fill("Your order has shipped")
    write(page, "left", "Order 4711")
    expect(seat(page, "right").locator(".note")).to_contain_text("Your order has shipped")


def test_another_login_kicks_the_phone(page: Any) -> None:
    press(page, "right", "Log in elsewhere")
    expect(seat(page, "right").locator(".notice")).to_have_text("You were logged in on another phone.")
    write(page, "left", "Which phone?")
    expect(newest_explanation(page)).to_contain_text("kicked")


def test_airplane_mode_separates_accepted_from_delivered(page: Any) -> None:
    seat(page, "right").get_by_role("switch", name="Airplane mode").click()
    expect(seat(page, "right").get_by_role("switch", name="Airplane mode")).to_have_attribute("aria-checked", "true")
    write(page, "left", "Safe flight")
    expect(newest_explanation(page).locator(".track .is-done")).to_have_count(1)
    press(page, "right", "Lock")
    seat(page, "right").get_by_role("switch", name="Airplane mode").click()
    expect(seat(page, "right").locator(".note")).to_contain_text("Safe flight")
    expect(newest_explanation(page).locator(".track .is-done")).to_have_count(2)


def test_another_brand_brings_the_message_through_another_vendor(page: Any) -> None:
    seat(page, "right").get_by_label("Phone", exact=True).select_option("huawei")
    expect(seat(page, "right").locator(".phone")).to_have_class(re.compile("huawei"))
    expect(seat(page, "right")).to_contain_text("app in the foreground")
    press(page, "right", "Lock")
    expect(seat(page, "right")).to_contain_text("not connected")
    write(page, "left", "To your Huawei")
    expect(seat(page, "right").locator(".note")).to_contain_text("To your Huawei")
    expect(newest_explanation(page)).to_contain_text("Push Kit")


def test_every_make_of_phone_is_offered_and_shows_the_message(page: Any) -> None:
    choice = seat(page, "right").get_by_label("Phone", exact=True)
    assert set(choice.locator("option").evaluate_all("all => all.map((option) => option.value)")) == set(BRANDS)
    for brand in BRANDS.values():
        choice.select_option(brand.name)
        expect(seat(page, "right").locator(".phone")).to_have_class(re.compile(rf"\b{brand.name}\b"))
        expect(seat(page, "right")).to_contain_text("app in the foreground")  # it has logged in: only then the lock is this phone's
        press(page, "right", "Lock")
        expect(seat(page, "right")).to_contain_text("not connected")
        write(page, "left", f"To your {brand.label_en}")
        expect(seat(page, "right").locator(".note")).to_contain_text(f"To your {brand.label_en}")
        expect(newest_explanation(page)).to_contain_text(brand.service)


def test_a_spent_quota_is_explained_with_the_time_and_the_cure(page: Any, demo: str) -> None:
    host = urlsplit(demo).netloc
    sandbox = urlsplit(json.loads(exchange(host, "GET", "/demo/state"))["sandbox"]).netloc
    exchange(sandbox, "POST", "/faults", {"vendor": "xiaomi", "kind": "quota", "count": 1})
    press(page, "right", "Lock")
    write(page, "left", "One more for today")
    expect(newest_explanation(page).locator(".hint")).to_contain_text("waits until")
    expect(newest_explanation(page).locator(".cure")).to_contain_text("larger quota")
    expect(seat(page, "right").locator(".note")).to_have_count(0)


def exchange(host: str, method: str, path: str, body: Any = None) -> bytes:
    """One call beside the browser; it must be answered with success."""
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request(method, path, json.dumps(body) if body is not None else None, {"content-type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status < 300, content
    return content


def test_the_language_is_switched_and_remembered(page: Any) -> None:
    page.get_by_role("button", name="简体中文").click()
    expect(page.get_by_role("heading", name="为什么？")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.reload()
    expect(page.get_by_role("heading", name="鲍勃的手机")).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Bob’s phone")).to_be_visible()


def test_a_browser_in_chinese_gets_a_page_in_chinese(browser: Any, demo: str) -> None:
    with opened(browser, demo, locale="zh-CN") as page:
        expect(page.get_by_role("heading", name="为什么？")).to_be_visible()


def test_everything_can_be_done_with_the_keyboard(page: Any) -> None:
    lock = seat(page, "right").get_by_role("button", name="Lock", exact=True)
    tab_to(page, lock)
    page.keyboard.press("Enter")
    expect(seat(page, "right").get_by_role("button", name="Unlock")).to_be_focused()
    message = seat(page, "left").get_by_label("Message", exact=True)
    tab_to(page, message)
    page.keyboard.type("Without a mouse")
    page.keyboard.press("Enter")
    note = seat(page, "right").locator(".note")
    expect(note).to_contain_text("Without a mouse")
    expect(message).to_be_focused()
    tab_to(page, note)
    page.keyboard.press("Enter")
    expect(seat(page, "right").get_by_role("list", name="Chat with Alice")).to_contain_text("Without a mouse")


def tab_to(page: Any, wanted: Any, presses: int = 80) -> None:
    """Press Tab until this has the focus."""
    for _ in range(presses):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    pytest.fail("Tab never reached it")


def test_a_notification_is_said_aloud(page: Any) -> None:
    press(page, "right", "Lock")
    write(page, "left", "Listen")
    expect(page.locator("#heard")).to_contain_text("Notification on Bob’s phone")
    expect(page.locator("#heard")).to_contain_text("Listen")


def test_a_scene_of_the_story_plays_on_the_page(page: Any) -> None:
    page.get_by_text("All scenes").click()
    page.get_by_role("button", name="Play this scene: Bob swipes the app away").click()
    expect(page.locator(".scene.ok")).to_have_count(1, timeout=30_000)


def test_an_empty_message_is_answered_with_a_sentence(browser: Any, demo: str) -> None:
    window = browser.new_context(locale="en-GB")
    page = window.new_page()
    page.goto(demo)
    write(page, "left", "   ")
    expect(page.get_by_role("alert").filter(has_text="Write something first")).to_be_visible()
    window.close()


@pytest.mark.parametrize("width", [1280, 780, 390])
def test_nothing_is_wider_than_the_window(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    write(page, "left", "A" * 300)
    expect(newest_explanation(page)).to_contain_text("AAA")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_demo_ends_at_once_although_a_page_is_open_and_the_page_says_so(browser: Any) -> None:
    with started() as (process, address):
        page = browser.new_context(locale="en-GB").new_page()
        page.goto(address)
        expect(page.locator("#link")).to_have_class("link live")
        process.terminate()
        assert process.wait(10) == 0
        expect(page.locator("#link")).to_contain_text("connection lost")
        page.context.close()


def test_only_the_demos_own_page_may_give_orders(demo: str) -> None:
    assert order(demo) == 200
    assert order(demo, origin="http://elsewhere.example") == 403
    assert order(demo, host="elsewhere.example", origin="http://elsewhere.example") == 403


def order(address: str, **headers: str) -> int:
    """The status of an order that does nothing."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("POST", "/demo/story/stop", b"{}", {"content-type": "application/json", **headers})
        return connection.getresponse().status
    finally:
        connection.close()
