"""One page of a push to many: every device decided with the decision table, and cut into bundles. Nothing here waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from homing.model.apps import App, AppSettings, NotificationMode
from homing.model.clock import Ids
from homing.model.delivery import MessageDelivery
from homing.model.devices import SessionState
from homing.model.messages import Element, Message, MessageFlags
from homing.model.notification import Notification
from homing.model.push import Action, PushState, Reason
from homing.model.push_info import OfflinePushInfo
from homing.model.push_jobs import PushJob
from homing.model.receive_options import Screening
from homing.rules import content
from homing.rules.decision import DeviceSnapshot, MessageTraits, decide
from homing.rules.screening import screened
from homing.store.audience import (
    APP_STATE,
    BUSINESS,
    DEVICE,
    EXPIRES,
    LANGUAGE,
    NODE,
    PLATFORM,
    SEEN,
    SESSION,
    SESSION_ID,
    TOKEN,
    USER,
)

from .fan_out import DAY_MS, certificate_state

#: Targets of a bundle where the vendor takes one at a time: few, because a bundle that breaks off is sent again as a whole.
SINGLES = 50
MAX_BUNDLE = 4096
SUPPRESSED_BUNDLE = 2000
#: Devices recorded with a bundle, and with one of suppressed devices, whose certificates and platforms differ.
RECORDED, RECORDED_SUPPRESSED = 8, 10
BULK_CLASS = "bulk"
_encode = msgspec.msgpack.Encoder().encode
_encode_inputs = msgspec.json.Encoder().encode

Row = tuple[Any, ...]
Group = tuple[int, str, str]  # business id, platform, language


class JobContent(msgspec.Struct, frozen=True):
    """What a job sends: its message, decoded, and the app's settings."""

    app: App
    message: Message
    elements: tuple[Element, ...]
    info: OfflinePushInfo
    traits: MessageTraits
    nick: str
    face_url: str
    replaces: Message | None = None  # the recalled message under whose identity the notifications go out

    @property
    def honours_mute(self) -> bool:
        """Whether the receivers' do-not-disturb settings hold the push back: only where the request asks for that."""
        return bool(self.message.flags & MessageFlags.HONOUR_MUTE.value)

    def notification(self, platform: str, language: str) -> Notification:
        """The notification for devices of this platform and language."""
        notification = self._composed(self.message, platform, language)
        if self.replaces is None:
            return notification
        old = self._composed(self.replaces, platform, language)
        return msgspec.structs.replace(notification, notify_id=old.notify_id, collapse_id=old.collapse_id)

    def _composed(self, message: Message, platform: str, language: str) -> Notification:
        return content.compose(
            message=message,
            elements=self.elements,
            info=self.info,
            nick=self.nick,
            settings=_per_message(self.app.settings),
            language=language or self.app.settings.language,
            platform=platform,
            badge=None,
        )


class Bundle(msgspec.Struct):
    """Targets that share a notification, on their way to their lane."""

    bundle_id: int
    job_id: int
    lane: tuple[int, int]
    channel: str
    platform: str
    language: str
    rows: list[Any]
    notification: Notification
    expires_at_ms: int
    created_at_ms: int
    attempts: int = 0
    refreshed: bool = False
    gone: set[int] = msgspec.field(default_factory=set)  # devices whose session or token ended since
    seen_at: float = 0.0  # monotonic seconds: when its devices were read


class BuiltPage(msgspec.Struct):
    """What a page leads to: rows to write, bundles, and what goes to sockets."""

    accounts: int = 0
    targets: int = 0
    suppressed: int = 0
    bundle_rows: list[Row] = []
    push_rows: list[Row] = []
    bundles: list[Bundle] = []
    deliveries: list[tuple[int, MessageDelivery]] = []  # node, delivery


class PageBuilder:
    """Builds pages of one job. ``room`` tells how many bundles of a certificate may be claimed as they are stored."""

    def __init__(
        self,
        job: PushJob,
        work: JobContent,
        *,
        certificates: dict[int, tuple[str, str]],
        bundle_size: Callable[[str], int],
        ids: Ids,
        owner: int,
        now_ms: int,
        seen_at: float,
        lease_ms: int,
        room: Mapping[tuple[int, int], int],
        screens: Mapping[str, Screening] | None = None,
    ) -> None:
        self._job = job
        self._work = work
        self._certificates = certificates
        self._bundle_size = bundle_size
        self._ids = ids
        self._owner = owner
        self._now_ms = now_ms
        self._seen_at = seen_at
        self._lease_ms = lease_ms
        self._room = room
        self._screens = screens or {}
        self._given: dict[tuple[int, int], int] = {}
        self._notifications: dict[tuple[str, str], tuple[str, Notification]] = {}
        self._page = BuiltPage()

    def build(self, rows: Sequence[Row], cursor: str) -> BuiltPage:
        """Decide every device of ``rows``, the page that ends at the account ``cursor``."""
        pushes: dict[Group, list[Row]] = {}
        suppressed: dict[Reason, list[Row]] = {}
        states = {n: (c, certificate_state(c, p)) for n, (c, p) in self._certificates.items()}
        none = (None, "none")
        traits, now_ms, keep_ms = self._work.traits, self._now_ms, self._work.app.settings.keep_days * DAY_MS
        sender, active = self._job.from_account, SessionState.ACTIVE.value
        last = None
        for row in rows:
            if row[USER] != last:
                last = row[USER]
                self._page.accounts += 1
                if self._screens:
                    traits = self._screened(last)
            if row[DEVICE] is None:
                suppressed.setdefault(Reason.NO_DEVICE, []).append(row)
                continue
            node, business_id, session = row[NODE], row[BUSINESS], row[SESSION]
            snapshot = DeviceSnapshot(
                session,
                row[PLATFORM],
                node is not None and session == active,
                row[APP_STATE],
                row[SEEN],
                bool(row[TOKEN]),
                states.get(business_id, none)[1],  # type: ignore[arg-type]
                row[USER] == sender,
                row[EXPIRES],
            )
            decision = decide(snapshot, traits, now_ms, keep_ms)
            action = decision.action
            if action is Action.PUSH:
                pushes.setdefault((business_id, row[PLATFORM], row[LANGUAGE]), []).append(row)
            elif action is Action.SUPPRESS:
                suppressed.setdefault(decision.reason, []).append(row)
            else:
                self._connected(row, snapshot, action, decision.reason, pushes, suppressed)
        self._bundle(self._merged(pushes), cursor)
        self._record_suppressed(suppressed, cursor)
        return self._page

    def _screened(self, user_id: str) -> MessageTraits:
        """The message for an account with its settings. The backend is on nobody's blacklist (sheet rest-api, section 3)."""
        screening = self._screens.get(user_id)
        if screening is None:
            return self._work.traits
        screening = msgspec.structs.replace(screening, blocked=False)
        return screened(self._work.traits, screening, self._now_ms, honours_mute=True)

    def _connected(
        self,
        row: Row,
        snapshot: DeviceSnapshot,
        action: Action,
        reason: Reason,
        pushes: dict[Group, list[Row]],
        suppressed: dict[Reason, list[Row]],
    ) -> None:
        """A device with a socket: it gets the message there, and a push as the decision says."""
        work = self._work
        message = msgspec.structs.replace(work.message, to_account=row[USER])
        self._page.deliveries.append((row[NODE], MessageDelivery(row[DEVICE], row[SESSION_ID], message, work.nick, work.face_url)))
        if action is Action.SOCKET_AND_PUSH:
            pushes.setdefault((row[BUSINESS], row[PLATFORM], row[LANGUAGE]), []).append(row)
        elif action is Action.SYNC:
            suppressed.setdefault(reason, []).append(row)
        else:
            self._page.push_rows.append(self._waiting(row, snapshot, reason))

    def _waiting(self, row: Row, snapshot: DeviceSnapshot, reason: Reason) -> Row:
        """A push of its own: it waits for the socket's acknowledgement, and goes out when none comes."""
        business_id = row[BUSINESS] or 0
        return (
            self._ids.next(),
            self._job.sdkappid,
            self._job.job_id,
            row[USER],
            row[DEVICE],
            int(PushState.WAITING_ACK),
            reason.value,
            self._inputs(snapshot, row[USER]),
            business_id,
            self._certificates.get(business_id, ("", ""))[0],
            BULK_CLASS,
            row[TOKEN] or "",
            None,
            self._now_ms + self._work.app.settings.ack_timeout_ms,
            self._job.expires_at_ms,
            None,
            "",
            self._now_ms,
            0,
        )

    def _inputs(self, snapshot: DeviceSnapshot, user_id: str) -> str:
        screening = self._screens.get(user_id)
        inputs = _encode_inputs(snapshot).decode()
        return inputs if screening is None else f'{inputs[:-1]},"receiver":{_encode_inputs(screening).decode()}}}'

    def _recorded(self, row: Row) -> Row:
        """What is kept of a device without a push; with what its account has set, where it has."""
        screening = self._screens.get(row[USER])
        kept = row[:RECORDED_SUPPRESSED]
        return kept if screening is None else (*kept, msgspec.to_builtins(screening))

    def _merged(self, pushes: dict[Group, list[Row]]) -> dict[Group, list[Row]]:
        """Languages and platforms that come to the same notification share bundles, so that vendors get full ones."""
        merged: dict[Group, list[Row]] = {}
        for (business_id, platform, language), rows in pushes.items():
            merged.setdefault((business_id, *self._kind(platform, language)), []).extend(rows)
        return merged

    def _kind(self, platform: str, language: str) -> tuple[str, str]:
        known = self._notifications.get((platform, language))
        if known is None:
            notification = self._work.notification(platform, language)
            same = next((item for item in self._notifications.values() if item[1] == notification), None)
            known = self._notifications[platform, language] = same or (f"{platform}\0{language}", notification)
        kind, _, tongue = known[0].partition("\0")
        return kind, tongue

    def _bundle(self, groups: dict[Group, list[Row]], cursor: str) -> None:
        for (business_id, platform, language), rows in groups.items():
            channel = self._certificates[business_id][0]
            size = min(self._bundle_size(channel), MAX_BUNDLE)
            for start in range(0, len(rows), size):
                self._add(business_id, channel, platform, language, rows[start : start + size], cursor)
            self._page.targets += len(rows)

    def _add(self, business_id: int, channel: str, platform: str, language: str, rows: list[Row], cursor: str) -> None:
        job, lane = self._job, (self._job.sdkappid, business_id)
        bundle_id = self._ids.take(len(rows))
        given = self._given.get(lane, 0)
        claimed = given < self._room.get(lane, 0)
        if claimed:
            self._given[lane] = given + 1
            notification = self._notifications[platform, language][1]
            bundle = Bundle(bundle_id, job.job_id, lane, channel, platform, language, rows, notification, job.expires_at_ms, self._now_ms)
            self._page.bundles.append(bundle)
        state = PushState.CLAIMED if claimed else PushState.PENDING
        due_at_ms = self._now_ms + self._lease_ms if claimed else self._now_ms
        targets = _encode([row[:RECORDED] for row in rows])
        place = (bundle_id, job.sdkappid, job.job_id, business_id, channel, platform, language, cursor, len(rows), targets)
        owner = self._owner if claimed else None
        self._page.bundle_rows.append((*place, int(state), Reason.OFFLINE.value, due_at_ms, owner, self._now_ms, 0))

    def _record_suppressed(self, suppressed: dict[Reason, list[Row]], cursor: str) -> None:
        job, now_ms = self._job, self._now_ms
        for reason, rows in suppressed.items():
            self._page.suppressed += len(rows)
            for start in range(0, len(rows), SUPPRESSED_BUNDLE):
                part = rows[start : start + SUPPRESSED_BUNDLE]
                targets = _encode([self._recorded(row) for row in part])
                place = (self._ids.take(len(part)), job.sdkappid, job.job_id, 0, "", "", "", cursor, len(part), targets)
                self._page.bundle_rows.append((*place, int(PushState.SUPPRESSED), reason.value, 0, None, now_ms, now_ms))


def bundle_size_of(batch_size: int) -> int:
    """How many targets a bundle of a vendor has that takes so many at once."""
    return batch_size if batch_size > 1 else SINGLES


def _per_message(settings: AppSettings) -> AppSettings:
    """A push to many never takes the place of a conversation's notification: what is retried could hide newer messages (promise 8)."""
    if settings.notification_mode is NotificationMode.PER_MESSAGE:
        return settings
    return msgspec.structs.replace(settings, notification_mode=NotificationMode.PER_MESSAGE)
