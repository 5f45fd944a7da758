"""Plays the steps, one after the other, for the terminal, for the page and for the check."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from .calls import CallFailed
from .phone import CannotDoThat
from .scene import Both, Scene, StepFailed
from .stage import Stage
from .steps import STEPS, Step

Status = Literal["waiting", "playing", "ok", "failed"]
STEP_SECONDS = 30.0


class Played(msgspec.Struct):
    """How far a step is."""

    step: Step
    status: Status = "waiting"
    told: Both = ("", "")  # what was seen, or what went wrong
    took_ms: int = 0

    @property
    def ok(self) -> bool:
        """Everything that was expected held."""
        return self.status == "ok"

    def as_dict(self) -> dict[str, Any]:
        """For the page and for ``--json``."""
        step = self.step
        return {
            "name": step.name,
            "title": list(step.title),
            "why": list(step.why),
            "status": self.status,
            "told": list(self.told),
            "took_ms": self.took_ms,
        }


Watcher = Callable[[Played], None]


class Story:
    """The story on one stage. One performance at a time."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._task: asyncio.Task[None] | None = None
        self.played = [Played(step) for step in STEPS]

    @property
    def playing(self) -> bool:
        """A performance is under way."""
        return self._task is not None and not self._task.done()

    async def perform(self, pause_seconds: float = 0.0, names: Sequence[str] = (), watch: Watcher | None = None) -> bool:
        """Play all steps, or those named. Returns whether everything held; False also when ``stop`` ended it."""
        await self.stop()
        chosen = [played for played in self.played if not names or played.step.name in names]
        for played in chosen:
            played.status, played.told, played.took_ms = "waiting", ("", ""), 0
        self._task = asyncio.create_task(self._perform(chosen, pause_seconds, watch))
        await asyncio.wait([self._task])
        return not self._task.cancelled() and all(played.ok for played in chosen)

    async def stop(self) -> None:
        """End a performance; the stage stays as it is."""
        if self._task is None or self._task.done():
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        for played in self.played:
            if played.status == "playing":
                played.status = "waiting"
        await self._stage.sandbox.clear_faults()
        self._stage.changed()

    async def _perform(self, chosen: Sequence[Played], pause_seconds: float, watch: Watcher | None) -> None:
        scene = Scene(self._stage, pause_seconds)
        for played in chosen:
            await self._play(scene, played, watch)
        with contextlib.suppress(CallFailed, CannotDoThat):
            await scene.prepare("xiaomi")  # leave a stage on which everything works

    async def _play(self, scene: Scene, played: Played, watch: Watcher | None) -> None:
        loop = asyncio.get_running_loop()
        self._show(played, "playing", ("", ""), watch)
        started = loop.time()
        try:
            async with asyncio.timeout(STEP_SECONDS + 6 * scene.pause_seconds):
                await scene.prepare(played.step.brand)
                await scene.breathe()
                told = await played.step.play(scene)
            status: Status = "ok"
        except (StepFailed, CallFailed, CannotDoThat) as failed:
            status, told = "failed", (str(failed), str(failed))
        except TimeoutError:
            limit = f"{STEP_SECONDS:.0f}"
            status, told = "failed", (f"it took longer than {limit} seconds", f"超过 {limit} 秒仍未完成")
        played.took_ms = int((loop.time() - started) * 1000)
        self._show(played, status, told, watch)
        await scene.breathe()

    def _show(self, played: Played, status: Status, told: Both, watch: Watcher | None) -> None:
        played.status, played.told = status, told
        if watch is not None:
            watch(played)
        self._stage.changed()

    def picture(self) -> dict[str, Any]:
        """For the page."""
        return {"playing": self.playing, "steps": [played.as_dict() for played in self.played]}
