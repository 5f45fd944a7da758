"""The steps of the story. Each does something, and expects what the server promises; what it returns is told to the spectator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from .brand_steps import limit_of, on_brand, quota_of
from .cast import BRANDS, CHAT_ACTIVITY, PEOPLE
from .scene import Both, Scene, push_of
from .words import Letter

GROUP_ID, GROUP_NAME = "picnic", "Picnic on Sunday"


class Step(msgspec.Struct, frozen=True):
    """One step: what happens, why, and the play itself."""

    name: str
    title: Both
    why: Both
    play: Callable[[Scene], Awaitable[Both]]
    brand: str = "xiaomi"  # of Bob's phone


async def foreground(scene: Scene) -> Both:
    await scene.pushes_nothing("Dinner at eight?", "delivered_online", "foreground")
    await scene.in_chat(scene.bob, "alice", "Dinner at eight?")
    return "delivered on the socket, no push", "经长连接送达，没有推送"


async def background(scene: Scene) -> Both:
    await scene.bob.background()
    await scene.breathe()
    entry = await scene.alice_says("Are you there?")
    await scene.in_tray(scene.bob, "Are you there?")
    push = await scene.outcome(entry, scene.bob, "accepted", "background")
    took = push["attempts"][-1]["ms"]
    return f"in the tray; {push['service']} accepted it after {took} ms", f"已在通知栏；{push['service']} 用时 {took} ms 接收"


async def locked(scene: Scene) -> Both:
    await scene.bob.lock()
    await scene.breathe()
    entry = await scene.alice_says("I booked a table")
    await scene.in_tray(scene.bob, "I booked a table")
    await scene.outcome(entry, scene.bob, "accepted", "offline")
    await scene.recorded(entry, scene.bob, "delivered")
    return "on the lock screen; the vendor's receipt says delivered", "已在锁屏上；厂商回执表示已送达"


async def killed(scene: Scene) -> Both:
    await scene.bob.unlock()
    await scene.bob.kill()
    await scene.breathe()
    entry = await scene.alice_says("By the window")
    await scene.in_tray(scene.bob, "By the window")
    await scene.outcome(entry, scene.bob, "accepted", "offline")
    return "in the tray, although no process of the app runs", "已在通知栏，尽管应用进程已不在"


async def tap(scene: Scene) -> Both:
    await scene.bob.kill()
    entry = await scene.alice_says("Tap me")
    item = await scene.in_tray(scene.bob, "Tap me")
    scene.expect("Alice" in item["title"], f"the title should name Alice, but is {item['title']!r}")
    await scene.breathe()
    opened = await scene.bob.tap(item["id"])
    scene.expect(opened["activity"] == CHAT_ACTIVITY, f"opened {opened['activity']} ({opened['error']})")
    scene.expect(opened["sender"] == "alice", f"the extras name {opened['sender']!r} as the sender")
    scene.expect(scene.bob.chat_with == "alice", "the chat with Alice did not open")
    await scene.in_chat(scene.bob, "alice", "Tap me")
    await scene.recorded(entry, scene.bob, "clicked")
    page = opened["activity"].rpartition(".")[2]
    return f"{page} opened the chat with Alice; recorded as clicked", f"{page} 打开了与爱丽丝的聊天；已记录为点击"


async def badge(scene: Scene) -> Both:
    await scene.alice.read_everything(PEOPLE)
    await scene.alice.lock()
    await scene.breathe()
    for number, text in enumerate(("One thing", "And another"), 1):
        await scene.stage.send("bob", Letter(receiver="alice", text=text))
        await scene.in_tray(scene.alice, text)
        scene.expect(scene.alice.badge == number, f"the badge should be {number}, but is {scene.alice.badge}")
        await scene.breathe()
    await scene.alice.unlock()
    await scene.until(lambda: scene.alice.badge == 0, "the badge stayed after the chat was read")
    return "1, 2, and gone when the chat is read", "1、2，读过聊天后归零"


async def no_description(scene: Scene) -> Both:
    await scene.bob.lock()
    push = await scene.pushes_nothing("Order 4711", "suppressed", "no_description", kind="custom")
    scene.expect(bool(push["cure"][0]), "there is no cure")
    return f"none: no_description; cure: {push['cure'][0]}", f"没有推送：no_description；处理办法：{push['cure'][1]}"


async def with_description(scene: Scene) -> Both:
    await scene.bob.lock()
    entry = await scene.alice_says("Order 4711", kind="custom", description="Your order has shipped")
    await scene.in_tray(scene.bob, "Your order has shipped")
    await scene.outcome(entry, scene.bob, "accepted", "offline")
    return "in the tray, with the sender's description", "已在通知栏，内容是发送者给出的描述"


async def picture(scene: Scene) -> Both:
    await scene.bob.lock()
    entry = await scene.alice_says("", kind="picture")
    push = await scene.outcome(entry, scene.bob, "accepted", "offline")
    await scene.until(lambda: bool(scene.bob.tray), "no notification in the tray")
    body = scene.bob.tray[-1]["body"]
    return f"in the tray as “{body}” through {push['service']}", f"通过 {push['service']} 在通知栏显示为“{body}”"


async def group(scene: Scene) -> Both:
    await scene.stage.make_group(GROUP_ID, GROUP_NAME, list(PEOPLE))
    for phone in (scene.alice, scene.bob):
        await phone.kill()
    await scene.breathe()
    await scene.stage.say_in_group(GROUP_ID, "carol", Letter(receiver="", text="Who brings the cake?"))
    titles = []
    for phone in (scene.alice, scene.bob):
        item = await scene.in_tray(phone, "Who brings the cake?")
        titles.append(item["title"] or item["body"])
        opened = await phone.tap(item["id"])
        scene.expect(opened["error"] is None, f"the tap failed: {opened['error']}")
        scene.expect(opened["group"] and opened["sender"] == GROUP_ID, f"the extras name {opened['sender']!r}, not the group")
    scene.expect(all(GROUP_NAME in title for title in titles), f"the titles do not name the group: {titles}")
    return f"in both trays as {titles[1]!r}; each tap opens the group", f"两部手机的通知栏都显示“{titles[1]}”；点击均打开群聊"


async def no_push(scene: Scene) -> Both:
    await scene.bob.lock()
    await scene.pushes_nothing("Do not wake him", "suppressed", "sender_opted_out", no_push=True)
    await scene.bob.unlock()
    await scene.in_chat(scene.bob, "alice", "Do not wake him")
    return "none: sender_opted_out; it is in the chat when the app opens", "没有推送：sender_opted_out；打开应用后在聊天中"


async def airplane(scene: Scene) -> Both:
    await scene.bob.set_offline(True)
    await scene.breathe()
    entry = await scene.alice_says("Safe flight")
    push = await scene.outcome(entry, scene.bob, "accepted", "offline")
    scene.expect(not push["delivered"] and not scene.bob.tray, "it reached a phone without a network")
    await scene.bob.lock()
    await scene.bob.set_offline(False)
    await scene.in_tray(scene.bob, "Safe flight")
    await scene.recorded(entry, scene.bob, "delivered")
    return "accepted, not delivered; delivered when the phone is back", "先是已接收、未送达；手机恢复联网后送达"


async def outage(scene: Scene) -> Both:
    await scene.bob.lock()
    await scene.stage.sandbox.order_fault(scene.bob.brand.channel, "status", status=503, count=1)
    entry = await scene.alice_says("Against all odds")
    await scene.in_tray(scene.bob, "Against all odds")
    push = await scene.outcome(entry, scene.bob, "accepted", "offline")
    outcomes = [attempt["outcome"] for attempt in push["attempts"]]
    scene.expect(outcomes[0] == "vendor_down" and outcomes[-1] == "accepted", f"the attempts were {', '.join(outcomes)}")
    return f"arrived with attempt {len(outcomes)}; the first met a 503", f"第 {len(outcomes)} 次发送到达；第一次遇到 503"


async def logged_out(scene: Scene) -> Both:
    await scene.bob.log_out()
    await scene.breathe()
    await scene.pushes_nothing("Still there?", "suppressed", "logged_out")
    return "none: logged_out", "没有推送：logged_out"


async def kicked(scene: Scene) -> Both:
    await scene.stage.log_in_elsewhere("right")
    await scene.until(lambda: scene.bob.account is None and scene.bob.notice == "kicked", "the phone did not hear that it was kicked")
    await scene.pushes_nothing("Which phone are you on?", "suppressed", "kicked")
    return "none: kicked", "没有推送：kicked"


async def token_moves(scene: Scene) -> Both:
    await scene.bob.log_in("carol")
    await scene.bob.lock()
    to_bob = await scene.alice_says("Bob, a secret")
    to_carol = await scene.alice_says("Hello Carol", receiver="carol")
    await scene.in_tray(scene.bob, "Hello Carol")
    await scene.outcome(to_carol, scene.bob, "accepted", "offline")
    await scene.until(lambda: bool(push_of(to_bob, scene.bob)), "there is no decision about Bob", to_bob)
    scene.expect(all(push["state"] == "suppressed" for push in to_bob.pushes), "Bob's message was pushed")
    scene.not_in_tray(scene.bob, "Bob, a secret")
    reason = push_of(to_bob, scene.bob)["reason"]
    return f"Carol's arrives, Bob's does not: {reason}", f"卡罗尔的消息到达，鲍勃的没有：{reason}"


async def dead_token(scene: Scene) -> Both:
    device = scene.bob
    await device.install(False)
    await scene.breathe()
    first = await scene.alice_says("Anybody?")
    push = await scene.outcome(first, device, "failed", "token_dead")
    await scene.pushes_nothing("Hello?", "suppressed", "no_token")
    scene.expect(bool(push["cure"][0]), "there is no cure")
    word = f"{push['service']} {push['attempts'][-1]['code']}"
    return f"the token is dead ({word}) and removed; the next message is no_token", f"token 已失效（{word}）并被移除；下一条消息为 no_token"


STEPS: Final[tuple[Step, ...]] = (
    Step(
        "foreground",
        ("Bob looks at the chat", "鲍勃正在看聊天"),
        (
            "The app is connected and in the foreground: the message goes through the socket, nobody needs a push.",
            "App 在线且在前台：消息走长连接，不需要推送。",
        ),
        foreground,
    ),
    Step(
        "background",
        ("Bob presses home", "鲍勃按下 Home 键"),
        (
            "The app reported doBackground: the message goes through the socket and also through the vendor's channel, into the tray.",
            "App 上报了 doBackground：消息既走长连接，也走厂商通道，通知栏会展示。",
        ),
        background,
    ),
    Step(
        "locked",
        ("Bob locks his phone", "鲍勃锁屏"),
        (
            "The system cut the app's connection, but Bob did not log out: the vendor's channel wakes the phone.",
            "系统断开了 App 的连接，但鲍勃没有退出登录：厂商通道负责送达。",
        ),
        locked,
    ),
    Step(
        "killed",
        ("Bob swipes the app away", "鲍勃划掉 App 进程"),
        (
            "No process runs, nobody said good-bye. Not logged out means: still to be reached.",
            "进程已不在，也没有退出登录：没有登出就仍应送达。",
        ),
        killed,
    ),
    Step(
        "tap",
        ("Bob taps the notification", "鲍勃点击通知"),
        (
            "The certificate's intent URI is resolved against the app's manifest; the app reads the sender from the extras.",
            "证书中的 intent URI 按 App 的清单文件解析；extras 带有 ext，App 从中读出发送者。",
        ),
        tap,
    ),
    Step(
        "badge",
        ("Alice's iPhone counts", "爱丽丝的 iPhone 计数"),
        (
            "APNs wants an absolute number: the server counts the unread messages of the account.",
            "APNs 需要绝对值：服务端统计该账号的未读总数。",
        ),
        badge,
    ),
    Step(
        "no_description",
        ("A custom message without a description", "没有描述的自定义消息"),
        (
            "The server cannot know what a custom message says, and an empty notification helps nobody.",
            "服务端无法解析自定义消息的内容，空通知没有意义。",
        ),
        no_description,
    ),
    Step(
        "with_description",
        ("The same with a description", "带描述的自定义消息"),
        ("offlinePushInfo.desc says what the notification may say.", "offlinePushInfo 的 desc 字段给出通知内容。"),
        with_description,
    ),
    Step(
        "picture",
        ("A picture", "一张图片"),
        (
            "Pictures, voice, files and calls get a placeholder in the receiver's language.",
            "图片、语音、文件、通话等按接收者的语言使用占位文本。",
        ),
        picture,
    ),
    Step(
        "group",
        ("Carol writes to the group", "卡罗尔在群里说话"),
        (
            "One message for all members: stored once, pushed through each member's vendor, and the tap opens the group.",
            "一条消息发给所有成员：只存一份，经各成员的厂商通道推送，点击打开群聊。",
        ),
        group,
    ),
    Step(
        "no_push",
        ("A message that asks for silence", "发送者要求不推送"),
        ("PushFlag = 1: stored and synchronised, but never pushed.", "PushFlag = 1：照常存储和同步，但不推送。"),
        no_push,
    ),
    Step(
        "airplane",
        ("Airplane mode", "飞行模式"),
        (
            "Accepted, delivered and clicked are three words: the vendor keeps the notification until the phone is back.",
            "接收、送达、点击是三件事：厂商会保留通知，直到手机恢复联网。",
        ),
        airplane,
    ),
    Step(
        "outage",
        ("The vendor is down for a moment", "厂商短暂故障"),
        ("The queue is the table of pushes: a 503 only means a later due time.", "队列就是推送表：503 只意味着稍后重发。"),
        outage,
    ),
    Step(
        "logged_out",
        ("Bob logs out", "鲍勃退出登录"),
        ("After logout the phone stays silent, and the reason is recorded.", "退出登录后手机保持安静，并记录原因。"),
        logged_out,
    ),
    Step(
        "kicked",
        ("Bob logs in on another phone", "鲍勃在另一部手机登录"),
        ("One phone a platform: the first one is kicked and gets no more pushes.", "每个平台一台终端：前一台被踢下线，不再收到推送。"),
        kicked,
    ),
    Step(
        "token_moves",
        ("Carol logs in on Bob's phone", "卡罗尔在鲍勃的手机上登录"),
        (
            "One push token belongs to one account: it moves with the login, and Bob's messages no longer reach this phone.",
            "一个推送 token 只属于一个账号：它随登录转移，鲍勃的消息不再到达这部手机。",
        ),
        token_moves,
    ),
    Step(
        "dead_token",
        ("Bob uninstalls the app", "鲍勃卸载 App"),
        ("Only the vendor's word about this one token removes it.", "只有厂商明确针对该 token 的答复才会移除它。"),
        dead_token,
    ),
    *(
        Step(
            f"on_{brand.name}",
            (f"Through {brand.service}: Bob's {brand.label_en}", f"{brand.service}：鲍勃使用的手机是{brand.label_zh}"),
            (
                f"Another vendor, another protocol, the same message: through {brand.service}.",
                f"换一家厂商、换一种协议，消息照样送达：{brand.service}。",
            ),
            on_brand(brand),
            brand.name,
        )
        for brand in BRANDS.values()
    ),
    *(
        Step(
            f"quota_{brand.name}",
            (f"The day's quota at {brand.service} is spent", f"{brand.service} 的单日配额已用完"),
            (
                "The vendor refuses the rest of the day: this certificate waits until the vendor's midnight, and no other waits with it.",
                "厂商拒绝当天余下的消息：该证书等待至厂商的零点，其他证书不受影响。",
            ),
            quota_of(brand),
            brand.name,
        )
        for brand in BRANDS.values()
        if brand.app_quota
    ),
    *(
        Step(
            f"limit_{brand.name}",
            (f"{brand.service} says: too fast", f"{brand.service} 要求降速"),
            (
                "This vendor counts what is sent in a second: the push waits for its next attempt, and the vendor's word is recorded.",
                "该厂商按每秒的发送量限制：推送等待下一次发送，并记录厂商的答复。",
            ),
            limit_of(brand),
            brand.name,
        )
        for brand in BRANDS.values()
        if not brand.app_quota
    ),
)
