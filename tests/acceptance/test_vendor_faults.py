"""Whatever a vendor answers: every accepted message arrives, once, when it answers well again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from homing.bench.load import Messages, RestLoad
from homing.bench.processes import MockVendor, Server
from homing.bench.seed import Binding, seed
from homing.bench.waiting import all_arrived

ServerFactory = Callable[..., Server]
USERS = 100
MESSAGES = 600
SHARE = 0.05
THROTTLED_SHARE = 0.01  # each answer stops the whole lane for its second
FAULTS = {
    "says_it_is_down": {"kind": "status", "status": 503, "retry_after": "1"},
    "says_it_is_down_without_when": {"kind": "status", "status": 500, "retry_after": ""},
    "throttles": {"kind": "status", "status": 429, "retry_after": "1"},
    "answers_html": {"kind": "html"},
    "closes_in_the_middle": {"kind": "cut"},
    "resets": {"kind": "reset"},
}


# Without a Retry-After the sheet of this channel asks for ten seconds: the other channel shows that case.
@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "says_it_is_down_without_when"])
async def test_a_fault_over_http2_loses_and_doubles_nothing(
    vendor: MockVendor, make_server: ServerFactory, sqlite_url: str, fault: str
) -> None:
    await _meet("fcm", "", fault, vendor, make_server, sqlite_url)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_over_http1_loses_and_doubles_nothing(
    vendor: MockVendor, make_server: ServerFactory, sqlite_url: str, fault: str
) -> None:
    await _meet("xiaomi", vendor.url(), fault, vendor, make_server, sqlite_url)


async def _meet(channel: str, base_url: str, fault: str, vendor: MockVendor, make_server: ServerFactory, url: str) -> None:
    server = make_server(url)
    binding = Binding(channel, USERS, base_url=base_url, options={"requests_per_second": "5000"})
    await seed(url, server.key_file, vendor, [binding])
    share = THROTTLED_SHARE if fault == "throttles" else SHARE
    await vendor.configure(faults=[FAULTS[fault]], share=share, times=1)
    await server.start(core=None)
    load = RestLoad(Messages(USERS), MESSAGES)
    await load.run(server.port, 16)
    assert len(load.accepted) == MESSAGES, load.refused
    arrivals = await all_arrived(vendor, load.accepted, seconds=15)
    assert [mark for mark, arrival in arrivals.items() if arrival.times != 1 or arrival.tags_differ] == []
    assert sum(arrival.bad for arrival in arrivals.values()) == round(MESSAGES * share)
