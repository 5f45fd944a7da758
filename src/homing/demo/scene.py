"""What the steps of the story are made of: people who write, and expectations that hold or do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .ledger import Entry
from .phone import DemoPhone
from .stage import Stage
from .words import Letter

Both = tuple[str, str]  # English, Chinese

PATIENCE_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.05


class StepFailed(Exception):
    """An expectation did not hold. ``str()`` says which."""


class Scene:
    """The stage as the story uses it: Alice's phone is on the left, Bob's on the right."""

    def __init__(self, stage: Stage, pause_seconds: float = 0.0) -> None:
        self.stage = stage
        self.pause_seconds = pause_seconds

    @property
    def alice(self) -> DemoPhone:
        """The phone on the left."""
        return self.stage.phones["left"]

    @property
    def bob(self) -> DemoPhone:
        """The phone on the right."""
        return self.stage.phones["right"]

    async def prepare(self, bobs_brand: str) -> None:
        """Both have their phone and are logged in, with the chat open, nothing in the trays, and every vendor well."""
        await self.stage.sandbox.clear_faults()
        for phone, brand, person, peer in ((self.alice, "apple", "alice", "bob"), (self.bob, bobs_brand, "bob", "alice")):
            if phone.brand.name != brand:
                await self.stage.give(phone.slot, brand, person)
            if phone.offline:
                await phone.set_offline(False)
            if not phone.notifications:
                await phone.set_notifications(True)
            if not phone.installed:
                await phone.install(True)
            if phone.account == person:
                await phone.open()
            else:
                await phone.log_in(person)
            await phone.show_chat(peer)

    async def says(self, sender: str, letter: Letter) -> Entry:
        """Somebody writes."""
        entry = await self.stage.send(sender, letter)
        await self.breathe()
        return entry

    async def alice_says(self, text: str, receiver: str = "bob", **more: Any) -> Entry:
        """Alice writes."""
        return await self.says("alice", Letter(receiver=receiver, text=text, **more))

    async def breathe(self) -> None:
        """A moment for those who watch; none when the story is only checked."""
        if self.pause_seconds:
            await asyncio.sleep(self.pause_seconds)

    def expect(self, holds: bool, what: str) -> None:
        """Raises ``StepFailed`` unless it holds."""
        if not holds:
            raise StepFailed(what)

    async def until(self, holds: Callable[[], bool], what: str, entry: Entry | None = None) -> None:
        """Wait until it holds. Raises ``StepFailed`` when it does not in time."""
        news = asyncio.Event()
        forget = self.stage.listen(news.set)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not holds():
                    if entry is not None:
                        await self.stage.ledger.ask(entry)
                        if holds():
                            return
                    news.clear()
                    try:
                        await asyncio.wait_for(news.wait(), LOOK_AGAIN_SECONDS)
                    except TimeoutError:
                        continue
        except TimeoutError:
            raise StepFailed(what) from None
        finally:
            forget()

    async def outcome(self, entry: Entry, phone: DemoPhone, state: str, reason: str) -> dict[str, Any]:
        """The push of a message for this phone, once it is in this state, for this reason."""

        try:
            await self.until(lambda: push_of(entry, phone).get("state") == state, "", entry)
        except StepFailed:
            push = push_of(entry, phone)
            now = f"{push['state']} ({push['reason']})" if push else "without a decision"
            raise StepFailed(f"the push should be {state} ({reason}), but is {now}") from None
        push = push_of(entry, phone)
        self.expect(push["reason"] == reason, f"the reason should be {reason}, but is {push['reason']}")
        return push

    async def pushes_nothing(self, text: str, state: str, reason: str, **more: Any) -> dict[str, Any]:
        """Alice writes to Bob, it ends like this for his phone, and no vendor is asked: neither record nor sandbox has a request."""
        before = await self.stage.sandbox.count_requests()
        push = await self.outcome(await self.alice_says(text, **more), self.bob, state, reason)
        asked = await self.stage.sandbox.count_requests() - before
        self.expect(not push["attempts"] and not asked, f"a vendor was asked although nothing should be pushed ({asked} requests)")
        self.not_in_tray(self.bob, text)
        return push

    async def recorded(self, entry: Entry, phone: DemoPhone, word: str) -> None:
        """Wait until the push is recorded as ``delivered`` or ``clicked``."""
        await self.until(lambda: bool(push_of(entry, phone).get(word)), f"it was not recorded as {word}", entry)

    async def in_tray(self, phone: DemoPhone, text: str) -> dict[str, Any]:
        """The notification whose body has this text, once it is shown."""
        await self.until(lambda: any(text in item["body"] for item in phone.tray), f"no notification with {text!r} in the tray")
        return next(item for item in reversed(phone.tray) if text in item["body"])

    def not_in_tray(self, phone: DemoPhone, text: str) -> None:
        """Nothing of the kind is shown."""
        self.expect(not any(text in item["body"] for item in phone.tray), f"a notification with {text!r} is in the tray")

    async def in_chat(self, phone: DemoPhone, peer: str, text: str) -> None:
        """The app shows the message."""
        await self.until(lambda: any(bubble.text == text for bubble in phone.thread(peer)), f"{text!r} did not reach the chat")


def push_of(entry: Entry, phone: DemoPhone) -> dict[str, Any]:
    """What was decided for this phone; empty when nothing was (yet)."""
    return next((push for push in entry.pushes if push["device"] == phone.device), {})
