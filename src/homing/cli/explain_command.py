"""``homing explain``: the recorded chain in words."""

from __future__ import annotations

import argparse
from typing import Any

from .command import OK, Call, Command, sdkappid_option, store_options, whole_number

_WORDS = {
    "en": {
        "message": "Message",
        "sent": "sent",
        "recalled": "recalled",
        "push": "Push",
        "to": "to",
        "device": "device",
        "no_device": "no device",
        "then": "device then",
        "because": "because",
        "cure": "what to do",
        "attempt": "attempt",
        "request": "request",
        "answer": "answer",
        "accepted": "accepted by the vendor",
        "delivered": "delivered",
        "shown": "shown",
        "clicked": "clicked",
        "unknown": "not known",
        "next": "next look at it",
        "hint": "note",
        "no_push": "Nothing was decided for any device.",
        "account": "Account",
        "can": "can get a push now",
        "cannot": "can get NO push now",
        "token": "token",
        "events": "What happened to its devices, newest first",
        "recent": "Last pushes, newest first",
        "none": "no device",
    },
    "zh": {
        "message": "消息",
        "sent": "发送于",
        "recalled": "撤回于",
        "push": "推送",
        "to": "至",
        "device": "终端",
        "no_device": "没有终端",
        "then": "当时的终端状态",
        "because": "原因",
        "cure": "处理办法",
        "attempt": "发送",
        "request": "请求",
        "answer": "答复",
        "accepted": "厂商接收",
        "delivered": "送达",
        "shown": "展示",
        "clicked": "点击",
        "unknown": "未知",
        "next": "下次处理",
        "hint": "提示",
        "no_push": "没有针对任何终端作出决策。",
        "account": "账号",
        "can": "当前可以收到推送",
        "cannot": "当前收不到推送",
        "token": "token",
        "events": "终端事件（最新的在前）",
        "recent": "最近的推送（最新的在前）",
        "none": "没有终端",
    },
}


def _configure(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--msg-key", metavar="KEY", help="the MsgKey that answered the sending of a message")
    which.add_argument("--push-id", type=whole_number, metavar="ID", help="one push")
    which.add_argument("--user-id", metavar="ID", help="an account: its devices and last pushes")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the words")
    store_options(parser)


async def _run(call: Call) -> int:
    from homing.model.clock import SystemClock
    from homing.services.explain import Explain

    args = call.args
    async with call.database() as database:
        explain = Explain(database, SystemClock())
        if args.msg_key is not None:
            told = await explain.message(args.sdkappid, args.msg_key, args.lang)
        elif args.push_id is not None:
            told = await explain.push(args.sdkappid, args.push_id, args.lang)
        else:
            told = await explain.account(args.sdkappid, args.user_id, args.lang)
    call.show(told, in_words(told, args.lang))
    return OK


def in_words(told: dict[str, Any], language: str) -> str:
    """An explanation for the terminal."""
    words = _WORDS[language]
    lines = _account_lines(told, words) if "user_id" in told else []
    for message in told["messages"]:
        lines += _message_lines(message, words)
    for push in told.get("pushes", []):
        lines += _push_lines(push, words)
    return "\n".join(lines)


def _account_lines(told: dict[str, Any], words: dict[str, str]) -> list[str]:
    lines = [f"{words['account']} {told['user_id']}"]
    for device in told["devices"]:
        lines.append(f"  {words['device']} {device['device_id']} ({device['platform']} {device['instance_id']}): {device['session_text']}")
        if device["token"]:
            lines.append(
                f"    {words['token']} {device['token']} ({device['channel']} {device['business_id']}) {_moment(device['token_at_ms'])}"
            )
        if device["can_get_push"]:
            lines.append(f"    {words['can']}")
        else:
            lines.append(f"    {words['cannot']}: {device['why_not_text']}")
            lines += _cure(device["cure"], words, "    ")
    if not told["devices"]:
        lines.append(f"  {words['none']}")
    if told["events"]:
        lines += ["", words["events"]]
        lines += [f"  {_moment(e['at_ms'])}  {e['device_id']}  {e['text']} {e['detail']}".rstrip() for e in told["events"]]
    if told["messages"]:
        lines += ["", words["recent"]]
    return lines


def _message_lines(message: dict[str, Any], words: dict[str, str]) -> list[str]:
    at = _moment(message["sent_at"] * 1000)
    elements = ", ".join(message["elements"])
    lines = ["", f"{words['message']} {message['msg_key']}: {message['from']} → {message['to']} ({elements}) {words['sent']} {at}"]
    if message["recalled_at_ms"]:
        lines.append(f"  {words['recalled']} {_moment(message['recalled_at_ms'])}")
    for push in message["pushes"]:
        lines += _push_lines(push, words)
    return lines if message["pushes"] else [*lines, f"  {words['no_push']}"]


def _push_lines(push: dict[str, Any], words: dict[str, str]) -> list[str]:
    device = push["device"]
    where = words["no_device"]
    if device is not None:
        where = f"{words['device']} {device['device_id']} ({device.get('platform', '?')} {device.get('instance_id', '')})"
    lines = [f"  {words['push']} {push['push_id']} {words['to']} {push['user_id']}, {where}: {push['state_text']}"]
    if push["device_state_text"]:
        lines.append(f"    {words['then']}: {push['device_state_text']}")
    lines += [f"      {_moment(e['at_ms'])}: {e['text']} {e['detail']}".rstrip() for e in push["device_events"]]
    lines.append(f"    {words['because']}: {push['reason_text']} [{push['reason']}]")
    lines += _cure(push["cure"], words, "    ")
    for attempt in push["attempts"]:
        lines += _attempt_lines(attempt, words)
    if again := push["tried_again"]:
        lines.append(f"    {_moment(again['at_ms'])}: {again['text']} (× {again['attempts']}): {again['was_text']} [{again['was']}]")
    if push["next_at_ms"]:
        lines.append(f"    {words['next']}: {_moment(push['next_at_ms'])}")
    lines += _three_words(push, words)
    for receipt in push["receipts"]:
        detail = " ".join(part for part in (receipt["code"], receipt["detail"]) if part)
        lines.append(f"    {_moment(receipt['at_ms'])} {receipt['source']}: {receipt['text']} {detail}".rstrip())
        lines += _cure(receipt["cure"], words, "    ")
    lines += [f"    {words['hint']}: {hint}" for hint in push["hints"]]
    return lines


def _three_words(push: dict[str, Any], words: dict[str, str]) -> list[str]:
    """Accepted, delivered and clicked are three words: each is told, known or not."""
    if not push["attempts"] and not push["accepted_at_ms"]:
        return []
    told = [
        f"{words[word]}: {_moment(push[f'{word}_at_ms']) if push[f'{word}_at_ms'] else words['unknown']}"
        for word in ("accepted", "delivered", "shown", "clicked")
    ]
    return ["    " + "; ".join(told)]


def _attempt_lines(attempt: dict[str, Any], words: dict[str, str]) -> list[str]:
    detail = " ".join(part for part in (attempt["code"], attempt["detail"]) if part)
    lines = [
        f"    {words['attempt']} {attempt['number']} {_moment(attempt['at_ms'])} ({attempt['latency_ms']} ms): "
        f"{attempt['outcome_text']} {detail}".rstrip()
    ]
    for part in ("request", "answer"):
        if attempt[part]:
            lines.append(f"      {words[part]}:")
            lines += [f"        {line}" for line in attempt[part].splitlines() if line]
    return [*lines, *_cure(attempt["cure"], words, "      ")]


def _cure(cure: str, words: dict[str, str], indent: str) -> list[str]:
    return [f"{indent}{words['cure']}: {cure}"] if cure else []


def _moment(at_ms: int | None) -> str:
    from homing.services.explain import moment

    return "" if not at_ms else moment(at_ms)


COMMANDS = (
    Command(
        "explain",
        "tell why a message arrived, or why not",
        _configure,
        _run,
        details=(
            "For each device of each receiver: its state at that moment, the decision and its reason, every request to the vendor\n"
            "(secrets masked) with the answer, every receipt, and what to do about it."
        ),
        examples=(
            "homing explain --sdkappid 1400000001 --msg-key 3735928559_12345_1700000000",
            "homing explain --sdkappid 1400000001 --user-id bob --lang zh",
        ),
    ),
)
