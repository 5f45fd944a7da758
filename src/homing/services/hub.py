"""All use cases of one node, as the composition root wires them. The servers receive this and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homing.bus.base import Bus
    from homing.model.clock import Clock, Ids
    from homing.store.engine import Database

    from .accounts import Accounts
    from .apps import Apps
    from .certificates import Certificates
    from .delivery import Delivery
    from .dispatch import Dispatch
    from .do_not_disturb import DoNotDisturb
    from .explain import Explain
    from .group_fan_out import GroupFanOut
    from .group_messaging import GroupMessaging
    from .groups import Groups
    from .history import History
    from .labels import Labels
    from .media import Media
    from .messaging import Messaging
    from .portraits import Portraits
    from .push_jobs import PushJobs
    from .receipts import Receipts
    from .relations import Relations
    from .sessions import Sessions
    from .statistics import Statistics


@dataclass(slots=True)
class Hub:
    """The use cases of one node."""

    clock: Clock
    ids: Ids
    node_id: int
    database: Database
    bus: Bus
    apps: Apps
    accounts: Accounts
    certificates: Certificates
    sessions: Sessions
    messaging: Messaging
    history: History
    delivery: Delivery
    dispatch: Dispatch
    receipts: Receipts
    explain: Explain
    labels: Labels
    push_jobs: PushJobs
    portraits: Portraits
    relations: Relations
    groups: Groups
    do_not_disturb: DoNotDisturb
    group_messaging: GroupMessaging
    group_fan_out: GroupFanOut
    statistics: Statistics
    media: Media
