"""Counts REST calls against the limits of their apps. In this process: each node of a cluster grants its own share."""

from __future__ import annotations

from homing.model.apps import App
from homing.model.problems import TOO_FAST, Refused
from homing.rules.quota import TokenBucket
from homing.rules.sending_limits import limit_of

MAX_BUCKETS = 4_096


class SendingLimits:
    """One bucket an app and command, made when it is first used; a change of the settings makes a new one."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[int, str], tuple[object, TokenBucket]] = {}

    def check(self, app: App, command: str, now: float) -> None:
        """Count one call at ``now`` (monotonic seconds). Raises ``Refused`` (60007)."""
        key = (app.sdkappid, command)
        known = self._buckets.get(key)
        if known is None or known[0] is not app.settings:
            rate = limit_of(app.settings, command)
            known = self._buckets[key] = (app.settings, TokenBucket(rate, max(1.0, rate), now))
            while len(self._buckets) > MAX_BUCKETS:
                del self._buckets[next(iter(self._buckets))]
        if known[1].take(now) > 0:
            raise Refused(
                TOO_FAST,
                f"the app may call {command} {known[1].rate:g} times a second",
                cure="Call it less often, or raise the limit with `homing app set --set command_limits=…`",
            )
