"""``homing demo``: server, sandbox, two phones in the browser, and the story that plays on them."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from .command import FAILURE, OK, Call, Command

if TYPE_CHECKING:
    from homing.demo.run import Demo
    from homing.demo.story import Played

DEFAULT_PORT = 8080

_WORDS = {
    "page": ("Open this page:", "请打开此页面："),
    "moved": ("(port {port} is taken, so another was chosen)", "（端口 {port} 已被占用，已改用其他端口）"),
    "beside": (
        "server {server}   sandbox {sandbox}   database in a temporary folder",
        "服务端 {server}   沙箱 {sandbox}   数据库在临时目录",
    ),
    "story": (
        "The story plays on Alice's iPhone and Bob's phone; watch it on the page, or here:",
        "剧情在 Alice 的 iPhone 和 Bob 的手机上演，可在页面或此处观看：",
    ),
    "over": ("That was the story: {ok} of {all} scenes as promised.", "剧情结束：{all} 幕中 {ok} 幕符合预期。"),
    "cut": ("The story was stopped: the phones are yours.", "剧情已停止，手机交给你了。"),
    "goes_on": ("The page keeps running; Ctrl-C ends it.", "页面继续运行，按 Ctrl-C 结束。"),
}


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="play the story without a browser, verify each step, exit 0 or 1")
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, metavar="PORT", help=f"of the page; default {DEFAULT_PORT}; a free one when it is taken"
    )
    parser.add_argument("--no-story", action="store_true", help="only start everything; the page has a button for the story")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the story in the terminal")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give 0 to 65535")
    return int(text)


def _run(call: Call) -> int:
    import uvloop

    return uvloop.run(_check(call) if call.args.check else _show(call))


async def _check(call: Call) -> int:
    from homing.demo.run import check

    teller = Teller(call)
    played = await check(None if call.args.json else teller.verified)
    good = sum(one.ok for one in played)
    call.show(
        {"ok": good == len(played), "passed": good, "steps": [_step(one) for one in played]},
        f"{good} of {len(played)} steps as promised",
    )
    return OK if good == len(played) else FAILURE


def _step(played: Played) -> dict[str, Any]:
    step = played.step
    return {"name": step.name, "ok": played.ok, "title": step.title[0], "told": played.told[0], "took_ms": played.took_ms}


async def _show(call: Call) -> int:
    from homing.demo.run import show

    teller = Teller(call)
    await show(call.args.port, story=not call.args.no_story, ready=teller.ready, watch=teller.watched, told=teller.told)
    return OK


class Teller:
    """Tells the story in the terminal."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._place = 1 if call.args.lang == "zh" else 0
        self._colours = call.out.isatty() and "NO_COLOR" not in os.environ
        self._number = 0
        self._passed = 0

    def ready(self, demo: Demo) -> None:
        """Where to look."""
        if self._call.args.json:
            self._say(json.dumps({"page": demo.page, "server": demo.server, "sandbox": demo.sandbox}))
            return
        self._say("", f"  {self._paint('1', 'Homing')}", "")
        self._say(f"  {self._word('page')} {self._paint('1;4;36', demo.page)}")
        if demo.moved:
            self._say(f"  {self._word('moved', port=self._call.args.port)}")
        self._say(f"  {self._paint('2', self._word('beside', server=demo.server, sandbox=demo.sandbox))}", "")
        if self._call.args.no_story:
            self._say(f"  {self._word('goes_on')}")
        else:
            self._say(f"  {self._word('story')}", "")

    def watched(self, played: Played) -> None:
        """A step began or ended."""
        if self._call.args.json:
            return
        title, why = played.step.title[self._place], played.step.why[self._place]
        if played.status == "playing":
            self._number += 1
            self._say(f"  {self._paint('1', f'{self._number:2}. {title}')}", f"      {self._paint('2', why)}")
        else:
            self._passed += played.ok
            self._say(f"      {self._mark(played)} {played.told[self._place]}")

    def verified(self, played: Played) -> None:
        """One line for a step that ended."""
        if played.status != "playing":
            self._say(f"{self._mark(played)} {played.step.title[self._place]}: {played.told[self._place]} ({played.took_ms} ms)")

    def told(self, finished: bool) -> None:
        """The story is over, or somebody took the phones."""
        if self._call.args.json:
            return
        whole = finished or (self._number and self._passed < self._number)
        self._say("", f"  {self._word('over', ok=self._passed, all=self._number) if whole else self._word('cut')}")
        self._say(f"  {self._word('goes_on')}")

    def _mark(self, played: Played) -> str:
        return self._paint("1;32", "✓") if played.ok else self._paint("1;31", "✗")

    def _word(self, name: str, **values: Any) -> str:
        return _WORDS[name][self._place].format(**values)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text

    def _say(self, *lines: str) -> None:
        for line in lines:
            print(line, file=self._call.out, flush=True)


COMMANDS = (
    Command(
        "demo",
        "see the whole thing work on this machine",
        _configure,
        _run,
        details=(
            "Starts a server on a fresh embedded database, the vendor simulators, and a page with the phones of two people side by side.\n"
            "A story plays on them and says what happens and why; afterwards the phones are yours."
        ),
        examples=("homing demo", "homing demo --lang zh --port 9000", "homing demo --check --json"),
    ),
)
