"""The page about the device API names everything that there is, and the client exports what its page promises."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from starlette.routing import Route

import homing.client
from homing.server.device import bodies, closing, disturb
from homing.server.device.encoding import MessageBody
from homing.server.device.limits import LIMITS
from homing.server.device.operations import OPERATIONS
from homing.server.device.routes import device_routes

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reference" / "device-api.md").read_text("utf-8")
BODIES = [bodies.LoginBody, bodies.PushConfigBody, bodies.BackgroundBody, bodies.SendBody, bodies.MessagesBody]
BODIES += [bodies.PushEventBody, bodies.ReadBody, bodies.RecallBody, bodies.AckBody, MessageBody]
BODIES += [disturb.SetOptionsBody, disturb.OptionsBody, disturb.QuietHoursBody]


def test_every_call_is_on_the_page() -> None:
    routes = device_routes(None)  # type: ignore[arg-type]
    assert len(routes) == 24
    for route in routes:
        assert isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}:
            assert f"`{method} {route.path}" in PAGE, (method, route.path)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_is_on_the_page(name: str) -> None:
    assert re.search(rf"^### .*\b{name}\b", PAGE, re.MULTILINE) or f"`{name}`" in PAGE


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_every_field_is_on_the_page(body: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(body):
        assert re.search(rf"\b{field.encode_name}\b", PAGE), field.encode_name


def test_every_close_code_is_on_the_page() -> None:
    codes = [value for value in vars(closing).values() if isinstance(value, closing.Closing)]
    assert len(codes) == len({one.code for one in codes}) == 12
    for one in codes:
        assert f"| {one.code} | `{one.reason}` |" in PAGE


def test_the_limits_on_the_page_are_the_real_ones() -> None:
    assert LIMITS.frame_bytes == 64 * 1024
    for text in (
        f"more than {LIMITS.calls_per_second:.0f} calls a second ({LIMITS.burst:.0f} at once)",
        f"every {LIMITS.heartbeat_seconds:.0f} seconds",
        f"After {LIMITS.ping_after_seconds:.0f} silent seconds",
        f"after {LIMITS.loss_seconds:.0f} it closes",
        f"{LIMITS.queued_frames} frames or 1 MiB",
        f"{LIMITS.strikes} frames in a row",
    ):
        assert text in PAGE


def test_the_client_exports_a_short_list_and_all_of_it_exists() -> None:
    names = homing.client.__all__
    assert names == sorted(names)
    assert len(names) <= 34
    for name in names:
        assert getattr(homing.client, name).__doc__, name
