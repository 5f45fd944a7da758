"""``homing demo`` and ``homing demo --check``: opens the stage, plays the story, keeps the page."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec

from homing.config import Config
from homing.logs import configure_logs

from .site import Site
from .stage import open_stage
from .story import Played, Story

LOOPBACK = "127.0.0.1"
SANDBOX_PORT_AFTER = 1  # the sandbox takes the port after the server's, where it is free
STORY_PAUSE_SECONDS = 0.7


class Demo(msgspec.Struct, frozen=True):
    """What the terminal may say about a running demo."""

    page: str
    server: str
    sandbox: str
    moved: bool  # the wanted port was taken


async def check(watch: Callable[[Played], None] | None = None) -> list[Played]:
    """Play the story without a browser, as fast as it goes, on free ports and in a folder that is removed. Every step with its result."""
    async with _folder() as folder, open_stage(folder, (LOOPBACK, 0), (LOOPBACK, 0)) as stage:
        story = Story(stage)
        await story.perform(watch=watch)
        return story.played


async def show(
    port: int, *, story: bool, ready: Callable[[Demo], None], watch: Callable[[Played], None], told: Callable[[bool], None]
) -> None:
    """Run until Ctrl-C or SIGTERM. ``ready`` hears where the page is, ``watch`` each step of the story, ``told`` how it ended."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    sites: list[Site] = []

    def page(stage: Any) -> Any:
        sites.append(Site(stage))
        return sites[0].application()

    free = free_port(port)
    beside = free_port(free + SANDBOX_PORT_AFTER) if free else 0
    async with _folder() as folder, open_stage(folder, (LOOPBACK, free), (LOOPBACK, beside), page) as stage:
        ready(Demo(f"{stage.base_url}/demo/", stage.base_url, stage.sandbox.base_url, moved=free != port))
        teller = asyncio.create_task(_tell(sites[0].story, watch, told)) if story else None
        await stop.wait()
        if teller is not None:
            teller.cancel()
        await sites[0].story.stop()


async def _tell(story: Story, watch: Callable[[Played], None], told: Callable[[bool], None]) -> None:
    told(await story.perform(STORY_PAUSE_SECONDS, watch=watch))


def free_port(wanted: int) -> int:
    """``wanted`` when it can be had, else 0: any free one."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, wanted))
        except (OSError, OverflowError):
            return 0
    return wanted


@contextlib.asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    """A folder for the database, removed afterwards: every demo begins anew."""
    configure_logs(Config(log_level="error"))
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="homing-demo-"))
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
