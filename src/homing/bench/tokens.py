"""``homing bench tokens``: bulk import of push tokens, lines a second, through the command that an operator runs."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path

from .figures import Figures, rated
from .processes import MockVendor
from .seed import APP, BUSINESS_ID, Binding, seed, token_of, user_of


async def bench_tokens(folder: Path, *, database: str = "", count: int = 200_000) -> Figures:
    """Import ``count`` devices of as many new accounts. Raises ``RuntimeError`` with what the command said."""
    vendor, url = MockVendor(folder), database or f"sqlite:///{folder}/homing.db"
    await vendor.start(core=None)
    try:
        await seed(url, folder / "homing.key", vendor, [Binding("fcm", 0)])
    finally:
        await vendor.stop()
    file = folder / "tokens.jsonl"
    _write(file, count)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-c", "from homing.cli.main import main; main()", "tokens", "import", str(file), "--sdkappid", str(APP)]
    process = await asyncio.create_subprocess_exec(
        *command,
        "--database",
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "HOMING_MASTER_KEY_FILE": str(folder / "homing.key")},
    )
    printed, _ = await process.communicate()
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise RuntimeError(f"the import failed: {printed[-300:].decode('utf-8', 'replace')}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"bench": "tokens", **rated(count, seconds, used), "lines": count, "seconds": round(seconds, 2)}


def _write(file: Path, count: int) -> None:
    with file.open("w", encoding="utf-8") as lines:
        for number in range(count):
            line = {"user_id": user_of(number), "platform": "android", "business_id": BUSINESS_ID, "token": token_of(number)}
            lines.write(json.dumps(line | {"state": "background"}) + "\n")
