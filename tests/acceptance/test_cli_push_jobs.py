"""``homing push jobs``, ``pause``, ``resume`` and ``cancel`` on a store without a running server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from homing.model.apps import App, AppSettings
from homing.model.clock import Ids, SystemClock
from homing.model.push_info import OfflinePushInfo
from homing.model.push_jobs import Condition, JobDraft
from homing.services.push_jobs import PushJobs, push_elements
from homing.store.accounts import insert_accounts
from homing.store.open import open_database

APP = 1_400_000_001


async def make_job(url: str) -> str:
    database, clock = await open_database(url), SystemClock()
    try:
        await database.write(lambda tx: insert_accounts(tx, APP, [("news", "", "")], clock.now_ms()))
        info = OfflinePushInfo(Title="News", Desc="It is spring")
        draft = JobDraft(
            from_account="news", random=1, condition=Condition(), elements=push_elements(info), push_info=info, lifetime_seconds=600
        )
        app = App(APP, "x", "k" * 32, ("news",), AppSettings(), 0)
        job, _ = await PushJobs(database=database, ids=Ids(clock, 1), clock=clock).create(app, draft)
        return job.task_id
    finally:
        await database.close()


def homing(url: str, *argv: str) -> Any:
    """What a command prints as JSON."""
    command = [sys.executable, "-c", "from homing.cli.main import main; main()", "push", *argv]
    command += ["--sdkappid", str(APP), "--database", url, "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in ended.stderr
    return json.loads(ended.stdout) if ended.returncode == 0 else ended.stderr


def test_a_push_to_many_is_listed_paused_resumed_and_cancelled(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/homing.db"
    task_id = asyncio.run(make_job(url))
    [job] = homing(url, "jobs")["jobs"]
    assert (job["task_id"], job["state"], job["from"]) == (task_id, "waiting", "news")
    assert homing(url, "pause", task_id)["state"] == "paused"
    assert homing(url, "resume", task_id)["state"] == "running"
    assert homing(url, "cancel", task_id)["state"] == "revoked"
    assert "recalled already" in homing(url, "cancel", task_id)
    assert "no such push task" in homing(url, "pause", "ffff")
