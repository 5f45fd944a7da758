"""Profiles: what an account shows of itself. Nick and face URL go into notifications from here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from homing.model.apps import App
from homing.model.problems import PROFILE_ACCOUNT_UNKNOWN, PROFILE_BAD_REQUEST, PROFILE_TAG_UNKNOWN, Refused
from homing.rules.portraits import IMAGE, MAX_CUSTOM_TAGS, NICK, STANDARD, is_tag, problem_of
from homing.store.engine import Database, Tx
from homing.store.messages import lock_accounts
from homing.store.portraits import PortraitRow, fetch_portraits, save_portrait

from .accounts import is_user_id

MAX_SHOWN_CHARS = 60


class Portraits:
    """The profiles of every app's accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set(self, app: App, user_id: str, items: Sequence[tuple[str, Any]]) -> None:
        """Change fields of a profile, by tag; the others stay. Raises ``Refused`` for an unknown account, tag or an impossible value."""
        for tag, value in items:
            problem = problem_of(tag, value)
            if problem is not None:
                raise Refused(problem, tag[:MAX_SHOWN_CHARS])
        changes = dict(items)

        async def work(tx: Tx) -> None:
            await lock_accounts(tx, [(app.sdkappid, user_id)])
            known = await fetch_portraits(tx, app.sdkappid, [user_id])
            if user_id not in known:
                raise Refused(PROFILE_ACCOUNT_UNKNOWN, user_id)
            portrait = _tags(known[user_id]) | changes
            if len(portrait.keys() - STANDARD.keys()) > MAX_CUSTOM_TAGS:
                raise Refused(PROFILE_BAD_REQUEST, f"a profile has at most {MAX_CUSTOM_TAGS} custom fields")
            await save_portrait(tx, app.sdkappid, user_id, _row(portrait))

        if not is_user_id(user_id):
            raise Refused(PROFILE_ACCOUNT_UNKNOWN)
        await self._database.write(work)

    async def get(self, app: App, user_ids: Sequence[str], tags: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The fields that are set, by account and tag; accounts that do not exist are left out. Raises ``Refused`` for an unknown tag."""
        for tag in tags:
            if not is_tag(tag):
                raise Refused(PROFILE_TAG_UNKNOWN, tag[:MAX_SHOWN_CHARS])
        wanted = [user_id for user_id in user_ids if is_user_id(user_id)]
        if not wanted:
            return {}
        found = await self._database.read(lambda tx: fetch_portraits(tx, app.sdkappid, wanted))
        return {user_id: _chosen(_tags(row), tags) for user_id, row in found.items()}


def _chosen(portrait: dict[str, Any], tags: Sequence[str]) -> dict[str, Any]:
    return {tag: portrait[tag] for tag in tags if tag in portrait}


def _tags(row: PortraitRow) -> dict[str, Any]:
    named = {NICK: row.nick, IMAGE: row.face_url}
    return {tag: value for tag, value in named.items() if value} | row.rest


def _row(portrait: dict[str, Any]) -> PortraitRow:
    rest = {tag: value for tag, value in portrait.items() if tag not in (NICK, IMAGE)}
    return PortraitRow(portrait.get(NICK, ""), portrait.get(IMAGE, ""), rest)
