"""The second look: a push that was claimed from the table is decided once more, with what is true now.

Time has passed since it was accepted: the session may have ended, the token may be another, the message may be recalled.
"""

from __future__ import annotations

import msgspec

from homing.model.apps import App
from homing.model.messages import MessageFlags
from homing.model.notification import Notification
from homing.model.push import Action, PushKind, PushState, Reason
from homing.rules.decision import MessageTraits, decide_without_socket
from homing.rules.groups import member_screening, member_traits
from homing.rules.screening import screened
from homing.rules.withdrawing import cleared, recalled
from homing.store.push_queue import ClaimedRow

from .fan_out import DAY_MS
from .jobs import Job, message_of, notification_of, snapshot_of_claim, traits_of, wishes_of
from .withdrawals import RECALLING, REPLACING, SILENT, notes_of

Refusal = tuple[PushState, Reason]


def look_again(row: ClaimedRow, app: App | None, now_ms: int) -> Job | Refusal | None:
    """A job to send, why there is none, or None: wait, the operator has to repair the certificate."""
    if row.kind:
        return _withdrawal(row, app, now_ms)
    gone = _gone(row, now_ms)
    if gone is not None:
        return gone
    snapshot = snapshot_of_claim(row)
    if snapshot is None or app is None:
        return PushState.SUPPRESSED, Reason.NO_DEVICE
    message = message_of(row)
    elements, info = wishes_of(message)
    traits = traits_of(message, elements, info)
    honours_mute = bool(message.flags & MessageFlags.HONOUR_MUTE)
    if row.group is not None:
        if row.group.option is None:
            return PushState.CANCELLED, Reason.NOT_MEMBER
        screening = member_screening(row.group.option, row.screening)
        traits = member_traits(traits, screening, row.group.details, row.user_id, now_ms, honours_mute=honours_mute)
    elif row.screening is not None:
        # Who was put on the blacklist since had been allowed to send when it did.
        traits = screened(traits, msgspec.structs.replace(row.screening, blocked=False), now_ms, honours_mute=honours_mute)
    decision = decide_without_socket(snapshot, traits, now_ms, app.settings.keep_days * DAY_MS)
    if decision.reason is Reason.CERTIFICATE_PAUSED and row.attempts:
        return None  # refused credentials are not this push's fault
    if decision.action is not Action.PUSH:
        return PushState.SUPPRESSED, decision.reason
    return _job(row, notification_of(row, message, app.settings))


def _withdrawal(row: ClaimedRow, app: App | None, now_ms: int) -> Job | Refusal | None:
    """The same for a push that takes notifications back: the device's state counts, what the message is worth no longer does."""
    if row.expires_at_ms <= now_ms:
        return PushState.EXPIRED, Reason.TTL_OVER
    if row.superseded:
        return PushState.CANCELLED, Reason.SUPERSEDED
    snapshot = snapshot_of_claim(row)
    if snapshot is None or app is None:
        return PushState.SUPPRESSED, Reason.NO_DEVICE
    decision = decide_without_socket(snapshot, MessageTraits(), now_ms, app.settings.keep_days * DAY_MS)
    if decision.reason is Reason.CERTIFICATE_PAUSED and row.attempts:
        return None
    if decision.action is not Action.PUSH:
        return PushState.SUPPRESSED, decision.reason
    if row.channel not in (SILENT | RECALLING.keys() if row.kind == PushKind.READ else REPLACING):
        return PushState.SUPPRESSED, Reason.NO_DEVICE  # the phone that shows it has another vendor's token now
    return _job(row, _withdrawing(row, app))


def _withdrawing(row: ClaimedRow, app: App) -> Notification:
    message = message_of(row)
    if row.kind == PushKind.READ:
        notes = notes_of(row.inputs)
        return cleared(message, notes.withdraws, row.badge, notes.notify_id)
    return recalled(
        message=message,
        info=wishes_of(message)[1],
        nick=row.nick or "",
        settings=app.settings,
        language=row.language or app.settings.language,
        platform=row.platform or "",
        badge=row.badge,
        default_title=row.group.name if row.group is not None else "",
    )


def _job(row: ClaimedRow, notification: Notification) -> Job:
    return Job(
        push_id=row.push_id,
        message_id=row.message_id,
        device_id=row.device_id,
        token=row.token or "",
        notification=notification,
        expires_at_ms=row.expires_at_ms,
        replaces=row.replaces,
        created_at_ms=row.created_at_ms,
        attempts=row.attempts,
        attempts_before=row.attempts_before,
    )


def _gone(row: ClaimedRow, now_ms: int) -> Refusal | None:
    if row.expires_at_ms <= now_ms:
        return PushState.EXPIRED, Reason.TTL_OVER
    if row.revoked_at_ms:
        return PushState.CANCELLED, Reason.RECALLED
    if row.superseded:
        return PushState.CANCELLED, Reason.SUPERSEDED
    return None
