"""What the story shows on every make of phone: arrival, sound, tap, a dead token, and a spent quota where the vendor counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .cast import CHAT_ACTIVITY, RING, Brand
from .phone import DemoPhone
from .scene import Both, Scene, push_of

Play = Callable[[Scene], Awaitable[Both]]


def on_brand(brand: Brand) -> Play:
    """A message to this make, from the killed app's tray to its chat; then the app is uninstalled."""

    async def play(scene: Scene) -> Both:
        sound, page = await _arrives(scene, brand)
        code = await _dies(scene, brand)
        return (
            f"accepted, shown{' with its own sound' if sound else ''}, tapped: {page} opened the chat; "
            f"uninstalled: the token is dead ({code}) and removed",
            f"已接收、已展示{'（自定义铃声）' if sound else ''}、已点击：{page} 打开了聊天；卸载后 token 失效（{code}）并被移除",
        )

    return play


async def _arrives(scene: Scene, brand: Brand) -> tuple[str | None, str]:
    """The sound that was played, where it is the app's own, and the page that the tap opened."""
    bob, text = scene.bob, f"To your {brand.label_en}"
    await bob.kill()
    entry = await scene.alice_says(text, sound=RING if brand.custom_sound else "")
    item = await scene.in_tray(bob, text)
    await scene.outcome(entry, bob, "accepted", "offline")
    scene.expect(not brand.custom_sound or item["sound"] == RING, f"the sound should be {RING}, but is {item['sound']}")
    await scene.breathe()
    opened = await bob.tap(item["id"])
    scene.expect(opened["error"] is None, f"the tap failed: {opened['error']}")
    scene.expect(opened["sender"] == "alice", f"the extras name {opened['sender']!r} as the sender")
    scene.expect(not brand.opens_page or _is_chat_page(bob, opened), f"the tap opened {opened['activity']} {opened['data'] or ''}")
    await scene.recorded(entry, bob, "clicked")
    await scene.breathe()
    return RING if brand.custom_sound else None, (opened["activity"] or "app").rpartition(".")[2]


def _is_chat_page(phone: DemoPhone, opened: dict[str, str | None]) -> bool:
    """Android opens the activity; apps without activities open a page of their own."""
    return opened["activity"] == CHAT_ACTIVITY if phone.brand.platform == "android" else bool(opened["data"])


async def _dies(scene: Scene, brand: Brand) -> str:
    """The vendor's word for the token of an app that is gone. It takes the token away, and nothing is sent any more."""
    bob = scene.bob
    await bob.install(False)
    entry = await scene.alice_says(f"Is your {brand.label_en} there?")
    push = await scene.outcome(entry, bob, "failed", "token_dead")
    await scene.pushes_nothing("Hello?", "suppressed", "not_mobile" if brand.platform == "web" else "no_token")
    return str(push["attempts"][-1]["code"])


def quota_of(brand: Brand) -> Play:
    """The vendor's daily quota is spent: that certificate waits for the vendor's midnight, says so, and no other waits with it."""

    async def play(scene: Scene) -> Both:
        bob = scene.bob
        usual = bob.business_id
        await bob.use_certificate(await scene.stage.second_certificate(brand))
        await bob.kill()
        await scene.stage.sandbox.order_fault(brand.channel, "quota", count=1)
        entry = await scene.alice_says("One more for today")
        await scene.until(lambda: bool(push_of(entry, bob).get("hints")), "it is not explained that the quota is spent", entry)
        push = push_of(entry, bob)
        scene.expect(push["state"] == "pending" and bool(push["cure"][0]), f"the push is {push['state']}, cure {push['cure'][0]!r}")
        scene.not_in_tray(bob, "One more for today")
        await scene.breathe()
        await bob.open()
        await bob.use_certificate(usual)
        await bob.kill()
        await scene.alice_says("Through the other certificate")
        await scene.in_tray(bob, "Through the other certificate")
        return f"pending: {push['hints'][0][0]}; another certificate goes on", f"等待：{push['hints'][0][1]}；其他证书不受影响"

    return play


def limit_of(brand: Brand) -> Play:
    """The vendor counts no days of an app, but seconds: it says that this was too fast, and the push waits for its next attempt."""

    async def play(scene: Scene) -> Both:
        bob = scene.bob
        await bob.kill()
        await scene.stage.sandbox.order_fault(brand.channel, "quota", count=1)
        entry = await scene.alice_says("Too fast for them")
        await scene.until(lambda: bool(push_of(entry, bob).get("attempts")), "no attempt is recorded", entry)
        push = push_of(entry, bob)
        refused = push["attempts"][0]
        scene.expect(refused["outcome"] in ("throttled", "vendor_down"), f"the vendor's word was taken for {refused['outcome']}")
        scene.expect(push["state"] in ("pending", "claimed", "accepted"), f"the push is {push['state']}")
        return f"{refused['code']}: {refused['text'][0]}", f"{refused['code']}：{refused['text'][1]}"

    return play
