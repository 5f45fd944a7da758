"""Explain what happened to a message, a push or an account: the recorded chain, with the cure (promise 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from homing.channels.registry import CHANNELS
from homing.model.clock import Clock
from homing.model.messages import MessageFlags
from homing.model.outcome import OutcomeKind
from homing.model.problems import ACCOUNT_NOT_FOUND, BAD_PARAMETER, Problem, Refused
from homing.model.push import PushState, Reason
from homing.rules.decision import DeviceSnapshot, MessageTraits, decide
from homing.rules.explanations import (
    EVENTS,
    NO_CALLBACK,
    NO_RECEIPTS,
    OPENS_PAGE,
    OVERDUE,
    QUOTA_STOP,
    SESSIONS,
    TRIED_AGAIN,
    UNSEEN,
    Words,
    outcome_words,
    reason_words,
    receipt_words,
    state_words,
)
from homing.rules.masking import mask
from homing.rules.message_keys import msg_key, parse_msg_key
from homing.rules.receiver_words import receiver_words
from homing.store import explain as store
from homing.store.apps import get_app
from homing.store.certificates import CertificateRow, list_certificates
from homing.store.engine import Database, Tx

from . import explain_bundles

RECENT_PUSHES = 20
RECENT_EVENTS = 30
EVENTS_BEFORE = 4  # of a device, before a decision: how it came into the state that it had
_EVENTS_READ = 200
_ACCOUNTS_READ = 20
DAY_MS = 86_400_000
_OVERDUE_MS = 5_000
_UNSEEN_MS = 60_000

NOT_RECORDED = Problem(
    "not_recorded",
    90_992,
    404,
    "Nothing is recorded under that key",
    "Check the app and the key; records are kept for keep_pushes_days, messages for keep_messages_days",
)


class _Facts(msgspec.Struct):
    """Everything that was read for some pushes."""

    messages: dict[int, store.MessageRecord]
    pushes: list[store.PushRecord]
    attempts: dict[int, list[store.AttemptRecord]]
    receipts: dict[int, list[store.ReceiptRecord]]
    retries: dict[int, store.RetryRecord]
    devices: dict[int, store.DeviceRecord]
    certificates: dict[int, CertificateRow]
    stops: dict[tuple[int, str], int]
    events: dict[int, list[store.EventRecord]]  # by device, newest first


class Explain:
    """The explanations. Every answer is plain JSON; texts are in ``language`` ("en" or "zh")."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def message(self, sdkappid: int, key: str, language: str = "en") -> dict[str, Any]:
        """The messages with this MsgKey and all their pushes. Raises ``Refused`` for a bad key or when there is none."""
        parsed = parse_msg_key(key)
        if parsed is None:
            raise Refused(BAD_PARAMETER, f"{key[:60]!r} is not a MsgKey: it looks like 4294967295_12345_1700000000")

        async def work(tx: Tx) -> _Facts:
            messages = await store.messages_by_key(tx, sdkappid, *parsed)
            pushes = [push for message in messages for push in await store.pushes_of_message(tx, sdkappid, message.message_id)]
            return await self._facts(tx, sdkappid, messages, pushes)

        facts = await self._database.read(work)
        if not facts.messages:
            raise Refused(NOT_RECORDED, f"app {sdkappid}, message {key}")
        return {"sdkappid": sdkappid, "messages": self._messages(facts, language)}

    async def push(self, sdkappid: int, push_id: int, language: str = "en") -> dict[str, Any]:
        """One push, with its message. Raises ``Refused`` when there is none."""

        async def work(tx: Tx) -> _Facts | None:
            push = await store.push_by_id(tx, sdkappid, push_id) or await explain_bundles.push_by_id(tx, sdkappid, push_id)
            if push is None:
                return None
            message = await store.message_by_id(tx, sdkappid, push.message_id)
            return await self._facts(tx, sdkappid, [message] if message else [], [push])

        facts = await self._database.read(work)
        if facts is None:
            raise Refused(NOT_RECORDED, f"app {sdkappid}, push {push_id}")
        if facts.messages:
            return {"sdkappid": sdkappid, "messages": self._messages(facts, language)}
        return {"sdkappid": sdkappid, "messages": [], "pushes": [self._push(push, facts, language) for push in facts.pushes]}

    async def account(self, sdkappid: int, user_id: str, language: str = "en") -> dict[str, Any]:
        """An account's devices, whether each can get a push now, what happened to them, and the last pushes.

        Raises ``Refused`` when there is no such account.
        """

        async def work(tx: Tx) -> dict[str, Any]:
            account = await store.account_record(tx, sdkappid, user_id)
            app = await get_app(tx, sdkappid)
            if account is None or app is None:
                raise Refused(ACCOUNT_NOT_FOUND, f"app {sdkappid}, account {user_id}")
            devices = await store.devices_of(tx, sdkappid, user_id)
            events = await store.events_of(tx, sdkappid, user_id, RECENT_EVENTS)
            pushes = await store.pushes_of_account(tx, sdkappid, user_id, RECENT_PUSHES)
            pushes += await explain_bundles.pushes_of_account(tx, sdkappid, user_id, RECENT_PUSHES)
            pushes = sorted(pushes, key=lambda push: -push.push_id)[:RECENT_PUSHES]
            ids = list(dict.fromkeys(push.message_id for push in pushes))
            messages = [m for m in [await store.message_by_id(tx, sdkappid, i) for i in ids] if m is not None]
            facts = await self._facts(tx, sdkappid, messages, pushes)
            keep_days = msgspec.json.decode(app.settings).get("keep_days", 7)
            return {
                "sdkappid": sdkappid,
                "user_id": user_id,
                "nick": account.nick,
                "unread": account.unread_total,
                "devices": [self._device(device, facts.certificates, keep_days * DAY_MS, language) for device in devices],
                "events": [_event(event, language) for event in events],
                "messages": self._messages(facts, language),
            }

        return await self._database.read(work)

    # --- gathering ---

    async def _facts(self, tx: Tx, sdkappid: int, messages: Sequence[store.MessageRecord], pushes: Sequence[store.PushRecord]) -> _Facts:
        ids = [push.push_id for push in pushes]
        return _Facts(
            {message.message_id: message for message in messages},
            list(pushes),
            await explain_bundles.attempts_of(tx, pushes),
            await store.receipts_of(tx, ids),
            await store.retries_of(tx, ids),
            await store.devices_by_id(tx, [push.device_id for push in pushes if push.device_id]),
            {row.business_id: row for row in await list_certificates(tx, sdkappid)},
            await store.quota_stops(tx, sdkappid, self._clock.now_ms()),
            await _events(tx, sdkappid, pushes),
        )

    # --- telling ---

    def _messages(self, facts: _Facts, language: str) -> list[dict[str, Any]]:
        told = []
        for message in facts.messages.values():
            pushes = [self._push(push, facts, language) for push in facts.pushes if push.message_id == message.message_id]
            told.append(_message(message) | {"pushes": pushes})
        return told

    def _push(self, push: store.PushRecord, facts: _Facts, language: str) -> dict[str, Any]:
        attempts = facts.attempts.get(push.push_id, [])
        receipts = facts.receipts.get(push.push_id, [])
        device = facts.devices.get(push.device_id)
        certificate = facts.certificates.get(push.business_id)
        state, reason = state_words(push.state), reason_words(push.reason)
        accepted = [attempt for attempt in attempts if attempt.outcome == "accepted"]
        return {
            "push_id": push.push_id,
            "user_id": push.user_id,
            "device": None if not push.device_id else _brief(push.device_id, device),
            "decided_at_ms": push.created_at_ms,
            "device_state": _inputs(push.inputs),
            "device_state_text": _inputs_text(_inputs(push.inputs), language),
            "device_events": [_event(event, language) for event in _before(facts.events.get(push.device_id, ()), push)],
            "state": _state_name(push.state),
            "state_text": state.text(language),
            "reason": push.reason,
            "reason_text": reason.text(language),
            "cure": self._stop_cure(push, facts, language) or _cure(push, reason, certificate, language),
            "business_id": push.business_id,
            "channel": push.channel,
            "certificate": None if certificate is None else {"name": certificate.name, "paused_reason": certificate.paused_reason},
            "notification_class": push.notification_class,
            "attempts": [_attempt(attempt, language) for attempt in attempts],
            "tried_again": _tried_again(facts.retries.get(push.push_id), language),
            "receipts": [_receipt(receipt, language) for receipt in receipts],
            "accepted_at_ms": accepted[-1].at_ms + accepted[-1].latency_ms if accepted else _accepted_at_ms(push),
            "delivered_at_ms": push.delivered_at_ms or None,
            "shown_at_ms": push.shown_at_ms or None,
            "clicked_at_ms": push.clicked_at_ms or None,
            "next_at_ms": push.due_at_ms if push.state < PushState.ACCEPTED else None,
            "expires_at_ms": push.expires_at_ms or None,
            "vendor_message_id": push.vendor_message_id,
            "hints": [words.text(language) if isinstance(words, Words) else words for words in self._hints(push, facts, language)],
        }

    def _hints(self, push: store.PushRecord, facts: _Facts, language: str) -> list[Words | str]:
        now_ms = self._clock.now_ms()
        if push.state == PushState.PENDING:
            until = facts.stops.get((push.business_id, push.notification_class), 0)
            if until:
                return [f"{QUOTA_STOP.text(language)} {moment(until)}"]
            return [OVERDUE] if push.due_at_ms < now_ms - _OVERDUE_MS else []
        if push.state == PushState.ACCEPTED and (push.delivered_at_ms or push.shown_at_ms) and not push.clicked_at_ms:
            return [OPENS_PAGE] if _opens_page(facts.certificates.get(push.business_id)) else []
        seen = push.delivered_at_ms or push.shown_at_ms or push.clicked_at_ms
        if push.state != PushState.ACCEPTED or seen or facts.receipts.get(push.push_id) or push.finished_at_ms > now_ms - _UNSEEN_MS:
            return []
        return [*UNSEEN, *_receipt_hints(push.channel, facts.certificates.get(push.business_id))]

    def _stop_cure(self, push: store.PushRecord, facts: _Facts, language: str) -> str:
        """What helps a push that waits because the vendor's daily quota is spent."""
        stopped = push.state == PushState.PENDING and facts.stops.get((push.business_id, push.notification_class), 0)
        return outcome_words(OutcomeKind.QUOTA_APP).cure(language) if stopped else ""

    def _device(self, device: store.DeviceRecord, certificates: dict[int, CertificateRow], keep_ms: int, language: str) -> dict[str, Any]:
        certificate = certificates.get(device.business_id or 0)
        snapshot = DeviceSnapshot(
            session_state=device.session_state,
            platform=device.platform,
            connected=device.node_id is not None,
            app_state=device.app_state,
            last_seen_ms=device.last_seen_ms,
            has_token=bool(device.token),
            certificate="none" if certificate is None else "paused" if certificate.paused_reason else "ok",
            session_expires_at_ms=device.expires_at_ms,
        )
        # What would happen if the connection went away now: that is when a push is needed.
        away = msgspec.structs.replace(snapshot, connected=False)
        decision = decide(away, MessageTraits(), self._clock.now_ms(), keep_ms)
        able = decision.action == "push"
        words = reason_words(decision.reason)
        return {
            "device_id": device.device_id,
            "platform": device.platform,
            "instance_id": device.instance_id,
            "session": device.session_state,
            "session_text": SESSIONS[device.session_state].text(language) if device.session_state in SESSIONS else device.session_state,
            "connected": snapshot.connected,
            "app_state": device.app_state,
            "last_seen_ms": device.last_seen_ms,
            "login_at_ms": device.login_at_ms,
            "business_id": device.business_id,
            "channel": certificate.channel if certificate is not None else "",
            "token": mask(device.token) if device.token else "",
            "token_at_ms": device.token_at_ms or None,
            "can_get_push": able,
            "why_not": None if able else decision.reason.value,
            "why_not_text": "" if able else words.text(language),
            "cure": "" if able else words.cure(language),
        }


def moment(at_ms: int) -> str:
    """A time as it is printed: UTC, to the millisecond."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"


def _message(message: store.MessageRecord) -> dict[str, Any]:
    body: list[Any] = msgspec.json.decode(message.body)
    flags = MessageFlags(message.flags)
    return {
        "msg_key": msg_key(message.seq, message.random, message.timestamp),
        "msg_id": f"{message.message_id}-{message.timestamp}-{message.random}",
        "from": message.from_account,
        "to": message.to_account,
        "sent_at": message.timestamp,
        "elements": [element.get("MsgType", "") for element in body if isinstance(element, dict)],
        "offline_push_info": None if message.push_info is None else msgspec.json.decode(message.push_info),
        "online_only": bool(flags & MessageFlags.ONLINE_ONLY),
        "recalled_at_ms": message.revoked_at_ms or None,
    }


def _brief(device_id: int, device: store.DeviceRecord | None) -> dict[str, Any]:
    if device is None:
        return {"device_id": device_id, "gone": True}
    return {"device_id": device_id, "platform": device.platform, "instance_id": device.instance_id, "user_id_now": device.user_id}


def _inputs(text: str) -> dict[str, Any]:
    try:
        inputs = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return inputs if isinstance(inputs, dict) else {}


def _inputs_text(inputs: dict[str, Any], language: str) -> str:
    """The device's state at the decision, in one line."""
    if not inputs:
        return ""
    chinese = language == "zh"
    taken = inputs.get("takes_back")
    if isinstance(taken, list):
        return f"{'收回推送' if chinese else 'takes back push'} {', '.join(map(str, taken))}"
    session = SESSIONS.get(str(inputs.get("session_state")))
    parts = [session.text(language) if session else str(inputs.get("session_state"))]
    if inputs.get("connected"):
        front = inputs.get("app_state") != "background"
        parts.append(
            ("在线，前台" if front else "在线，后台") if chinese else ("connected, foreground" if front else "connected, background")
        )
    else:
        parts.append("未连接" if chinese else "not connected")
    if inputs.get("last_seen_ms"):
        parts.append(f"{'最后在线' if chinese else 'last seen'} {moment(int(inputs['last_seen_ms']))}")
    token = ("已上报 token", "未上报 token") if chinese else ("push token reported", "no push token")
    parts.append(token[0] if inputs.get("has_token") else token[1])
    certificate = {
        "ok": ("certificate in use", "证书可用"),
        "none": ("no certificate", "没有证书"),
        "paused": ("certificate paused", "证书已暂停"),
    }
    parts.append(certificate.get(str(inputs.get("certificate")), ("", ""))[chinese])
    receiver = inputs.get("receiver")
    if isinstance(receiver, dict):
        parts += receiver_words(receiver, chinese=chinese)
    return ("，" if chinese else ", ").join(part for part in parts if part)


def _state_name(state: int) -> str:
    try:
        return PushState(state).name.lower()
    except ValueError:
        return str(state)


def _accepted_at_ms(push: store.PushRecord) -> int | None:
    return push.finished_at_ms or None if push.state == PushState.ACCEPTED else None


def _cure(push: store.PushRecord, reason: Words, certificate: CertificateRow | None, language: str) -> str:
    """The cure of a push that did not go out. The reason of one that did is no problem to be cured."""
    if push.state not in (PushState.SUPPRESSED, PushState.FAILED, PushState.EXPIRED):
        return ""
    cure = reason.cure(language)
    paused = push.reason in (Reason.CERTIFICATE_PAUSED, Reason.CREDENTIALS_REFUSED) and certificate is not None
    if paused and certificate is not None and certificate.paused_reason:
        cure += f" ({certificate.paused_reason})"
    return cure


def _attempt(attempt: store.AttemptRecord, language: str) -> dict[str, Any]:
    words = outcome_words(attempt.outcome)
    told = msgspec.structs.asdict(attempt)
    del told["push_id"]
    return told | {"outcome_text": words.text(language), "cure": words.cure(language)}


def _tried_again(retry: store.RetryRecord | None, language: str) -> dict[str, Any] | None:
    if retry is None:
        return None
    told = msgspec.structs.asdict(retry)
    del told["push_id"]
    return told | {"text": TRIED_AGAIN.text(language), "was_text": reason_words(retry.was).text(language)}


def _receipt(receipt: store.ReceiptRecord, language: str) -> dict[str, Any]:
    words = receipt_words(receipt.kind)
    told = msgspec.structs.asdict(receipt)
    del told["push_id"]
    return told | {"text": words.text(language), "cure": words.cure(language)}


def _opens_page(certificate: CertificateRow | None) -> bool:
    return certificate is not None and _inputs(certificate.options).get("click_action") == "page"


def _receipt_hints(channel: str, certificate: CertificateRow | None) -> list[Words]:
    vendor = CHANNELS.get(channel)
    if vendor is None or not vendor.capabilities.receipts:
        return [NO_RECEIPTS]
    options = _inputs(certificate.options) if certificate is not None else {}
    return [] if options.get("callback_base_url") else [NO_CALLBACK]


async def _events(tx: Tx, sdkappid: int, pushes: Sequence[store.PushRecord]) -> dict[int, list[store.EventRecord]]:
    found: dict[int, list[store.EventRecord]] = {}
    for user_id in list(dict.fromkeys(push.user_id for push in pushes))[:_ACCOUNTS_READ]:
        for event in await store.events_of(tx, sdkappid, user_id, _EVENTS_READ):
            found.setdefault(event.device_id, []).append(event)
    return found


def _before(events: Sequence[store.EventRecord], push: store.PushRecord) -> list[store.EventRecord]:
    """The last events of the device before the decision, oldest first."""
    return [event for event in events if event.at_ms <= push.created_at_ms][:EVENTS_BEFORE][::-1]


def _event(event: store.EventRecord, language: str) -> dict[str, Any]:
    words = EVENTS.get(event.kind)
    return msgspec.structs.asdict(event) | {"text": words.text(language) if words else event.kind}
