"""Receipts on both engines: matching, idempotence, dead tokens, back-pressure, the endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette

from homing.model.certificates import Certificate
from homing.model.clock import Clock, Ids
from homing.model.outcome import Receipt, ReceiptAnswer, ReceiptKind, ReceiptRequest
from homing.model.problems import Refused
from homing.server.receipts.routes import MAX_BODY_BYTES, routes_of
from homing.services.receipts import Receipts, _clean, message_id_of
from homing.store.engine import Database, Query, StoreBusy, Tx

APP, BUSINESS = 1_400_000_001, 15_518
OTHER_APP, OTHER_BUSINESS = 1_400_000_002, 15_519
MESSAGE, PUSH, DEVICE = 7_000, 8_000, 9_000
SENT_MS = 1_799_999_990_000  # ten seconds before the test's clock

_PUSH = Query(
    "test.receipts_push",
    "INSERT INTO push (push_id, sdkappid, message_id, user_id, device_id, state, reason, inputs, business_id, channel, token, "
    "created_at_ms) "
    "VALUES (?, ?, ?, 'bob', ?, 10, 'offline', '{}', ?, 'test', ?, ?)",
)
_DEVICE = Query(
    "test.receipts_device",
    "INSERT INTO device (device_id, sdkappid, user_id, platform, instance_id, session_state, session_id, login_at_ms, expires_at_ms, "
    "last_seen_ms, app_state, business_id, token, token_at_ms) "
    "VALUES (?, ?, 'bob', 'android', ?, 'active', 1, 0, 0, 0, 'background', ?, ?, ?)",
)
_MARKS = Query("test.receipts_marks", "SELECT delivered_at_ms, shown_at_ms, clicked_at_ms FROM push WHERE push_id = ?")
_ROWS = Query("test.receipts_rows", "SELECT push_id, kind, at_ms, source, code, detail FROM receipt ORDER BY push_id, kind")
_TOKEN = Query("test.receipts_token", "SELECT token, token_at_ms FROM device WHERE device_id = ?")
_EVENTS = Query("test.receipts_events", "SELECT device_id, kind, detail FROM device_event ORDER BY event_id")


class Channel:
    """A vendor whose call is the receipts themselves, in JSON."""

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        if request.body == b"broken":
            raise KeyError("a mistake in the channel")
        if not request.body:
            return ReceiptAnswer(status=400, body=b'{"error":"empty"}')
        receipts = msgspec.json.decode(request.body, type=tuple[Receipt, ...])
        return ReceiptAnswer(receipts, 200, b'{"taken":true}')


class Certificates:
    """Two certificates of two apps, and one whose secrets cannot be opened."""

    def __init__(self) -> None:
        self.by_path = {
            "mine": Certificate(APP, BUSINESS, "test", "mine", object(), object()),
            "other": Certificate(OTHER_APP, OTHER_BUSINESS, "test", "other", object(), object()),
            "sealed": Certificate(APP, BUSINESS, "test", "sealed", None, None),
        }

    async def by_receipt_path(self, path: str) -> Certificate | None:
        return self.by_path.get(path)


class World:
    """A service on a real store."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, **options: Any) -> None:
        self.database = database
        channels: Any = {"test": Channel()}
        self.service = Receipts(database=database, clock=clock, ids=ids, certificates=Certificates(), channels=channels, **options)

    async def run(self, query: Query, *args: Any) -> None:
        async def work(tx: Tx) -> int:
            return await tx.execute(query, *args)

        await self.database.write(work)

    async def rows(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        async def work(tx: Tx) -> list[Any]:
            return await tx.fetch(query, *args)

        return [tuple(row) for row in await self.database.read(work)]

    async def device(self, device_id: int = DEVICE, token: str = "token", at_ms: int = 1, business_id: int = BUSINESS) -> None:
        await self.run(_DEVICE, device_id, APP, f"instance-{device_id}", business_id, token, at_ms)

    async def push(self, push_id: int = PUSH, token: str = "token", device_id: int = DEVICE, message_id: int = MESSAGE) -> None:
        await self.run(_PUSH, push_id, APP, message_id, device_id, BUSINESS, token, SENT_MS)

    async def call(self, *receipts: Receipt, path: str = "mine") -> ReceiptAnswer | None:
        answer = await self.service.accept(path, ReceiptRequest({}, {}, msgspec.json.encode(receipts)))
        await self.service.drain()
        return answer

    async def marks(self, push_id: int = PUSH) -> tuple[int, int, int]:
        ((delivered, shown, clicked),) = await self.rows(_MARKS, push_id)
        return delivered, shown, clicked

    async def token(self, device_id: int = DEVICE) -> str | None:
        token: str | None = (await self.rows(_TOKEN, device_id))[0][0]
        return token


@pytest.fixture
async def world(database: Database, clock: Clock, ids: Ids) -> AsyncIterator[World]:
    made = World(database, clock, ids)
    await made.device()
    await made.push()
    yield made
    await made.service.drain()


MSG_ID = f"{MESSAGE}-1800000000-42"
DELIVERED = Receipt(ReceiptKind.DELIVERED, SENT_MS + 1000, msg_id=MSG_ID, token="token")

# --- matching ------------------------------------------------------------------------------------


async def test_a_receipt_is_matched_by_push_id(world: World) -> None:
    answer = await world.call(Receipt(ReceiptKind.SHOWN, SENT_MS + 5, push_id=PUSH, code="0", detail="on screen"))
    assert answer is not None
    assert (answer.status, answer.body) == (200, b'{"taken":true}')
    assert await world.marks() == (0, SENT_MS + 5, 0)
    assert await world.rows(_ROWS) == [(PUSH, "shown", SENT_MS + 5, "vendor", "0", "on screen")]


async def test_a_receipt_is_matched_by_message_and_token(world: World) -> None:
    await world.push(PUSH + 1, "other-token", DEVICE + 1)
    await world.call(DELIVERED)
    assert await world.marks(PUSH) == (SENT_MS + 1000, 0, 0)
    assert await world.marks(PUSH + 1) == (0, 0, 0)


async def test_a_token_reported_between_decision_and_sending_is_matched_through_its_device(world: World) -> None:
    await world.device(DEVICE + 1, "newer-token")
    await world.push(PUSH + 1, "older-token", DEVICE + 1, MESSAGE + 1)
    await world.call(Receipt(ReceiptKind.CLICKED, SENT_MS + 1, msg_id=f"{MESSAGE + 1}-1-1", token="newer-token"))
    assert await world.marks(PUSH + 1) == (0, 0, SENT_MS + 1)


async def test_another_apps_certificate_cannot_touch_a_push_or_a_token(world: World) -> None:
    dead = Receipt(ReceiptKind.TOKEN_DEAD, SENT_MS + 1, push_id=PUSH, msg_id=MSG_ID, token="token")
    await world.call(DELIVERED, Receipt(ReceiptKind.SHOWN, SENT_MS, push_id=PUSH), dead, path="other")
    assert await world.marks() == (0, 0, 0)
    assert await world.rows(_ROWS) == []
    assert await world.token() == "token"


async def test_receipts_of_unknown_pushes_are_taken_and_change_nothing(world: World) -> None:
    answer = await world.call(
        Receipt(ReceiptKind.DELIVERED, 1, push_id=1),
        Receipt(ReceiptKind.DELIVERED, 1, msg_id="not-a-message-id", token="token"),
        Receipt(ReceiptKind.DELIVERED, 1, msg_id=MSG_ID, token="unknown"),
        Receipt(ReceiptKind.DELIVERED, 1, msg_id=MSG_ID),
        Receipt(ReceiptKind.DELIVERED, 1),
        Receipt(ReceiptKind.DELIVERED, 2**70, push_id=2**70, msg_id="9" * 40, token="\0" * 5000),
    )
    assert answer is not None
    assert await world.rows(_ROWS) == []


async def test_repeated_and_reordered_receipts_change_nothing_but_an_earlier_time(world: World) -> None:
    later = msgspec.structs.replace(DELIVERED, at_ms=SENT_MS + 5000)
    for _ in range(3):
        await world.call(later, DELIVERED, later)
    assert await world.marks() == (SENT_MS + 1000, 0, 0)
    assert len(await world.rows(_ROWS)) == 1


async def test_a_time_in_the_future_or_without_sense_becomes_now(world: World, clock: Clock) -> None:
    await world.call(
        Receipt(ReceiptKind.DELIVERED, clock.now_ms() + 10**9, push_id=PUSH),
        Receipt(ReceiptKind.SHOWN, -5, push_id=PUSH),
    )
    assert await world.marks() == (clock.now_ms(), clock.now_ms(), 0)


async def test_a_thousand_receipts_in_one_call_are_all_stored(world: World) -> None:
    for n in range(1, 200):
        await world.push(PUSH + n, f"token-{n}", DEVICE + n)
    receipts = [Receipt(ReceiptKind.DELIVERED, SENT_MS + 1, msg_id=MSG_ID, token=f"token-{n % 200}") for n in range(1000)]
    await world.call(*receipts)
    assert len(await world.rows(_ROWS)) == 199


@pytest.mark.parametrize(
    ("msg_id", "message_id"),
    [("7000-1800000000-42", 7000), ("7000", 7000), ("", 0), ("-1", 0), ("x-1", 0), ("²-1", 0), ("9" * 30, 0), (f"{2**63}-1", 0)],
)
def test_the_message_id_is_the_part_before_the_first_dash(msg_id: str, message_id: int) -> None:
    assert message_id_of(msg_id) == message_id


def test_text_that_an_engine_cannot_store_is_cleaned() -> None:
    assert _clean("a\0b\ud800c", 100) == "ab?c"


# --- dead tokens ---------------------------------------------------------------------------------


async def test_a_dead_token_is_unbound_and_noted(world: World) -> None:
    await world.call(Receipt(ReceiptKind.TOKEN_DEAD, SENT_MS, msg_id=MSG_ID, token="token", code="2"))
    assert await world.token() is None
    assert await world.rows(_EVENTS) == [(DEVICE, "token_removed", "2")]
    assert [row[1] for row in await world.rows(_ROWS)] == ["token_dead"]


async def test_a_dead_token_without_a_known_push_is_unbound_too(world: World) -> None:
    await world.call(Receipt(ReceiptKind.TOKEN_DEAD, SENT_MS, token="token"))
    assert await world.token() is None


async def test_a_token_reported_after_the_receipts_time_stays(world: World) -> None:
    await world.device(DEVICE + 1, "fresh", at_ms=SENT_MS + 1)
    await world.call(Receipt(ReceiptKind.TOKEN_DEAD, SENT_MS, token="fresh"))
    assert await world.token(DEVICE + 1) == "fresh"


async def test_a_device_with_another_token_by_now_keeps_it(world: World) -> None:
    await world.push(PUSH + 1, "old-token", DEVICE)
    await world.call(Receipt(ReceiptKind.TOKEN_DEAD, SENT_MS, push_id=PUSH + 1, token="old-token"))
    assert await world.token() == "token"


async def test_a_replacement_takes_the_place_of_the_dead_token(world: World, clock: Clock) -> None:
    await world.call(Receipt(ReceiptKind.TOKEN_DEAD, SENT_MS, token="token", replacement_token="newer"))
    assert await world.rows(_TOKEN, DEVICE) == [("newer", clock.now_ms())]


async def test_a_replacement_that_another_device_holds_already_only_unbinds(world: World) -> None:
    await world.device(DEVICE + 1, "newer")
    await world.call(Receipt(ReceiptKind.TOKEN_DEAD, SENT_MS, token="token", replacement_token="newer"))
    assert (await world.token(DEVICE), await world.token(DEVICE + 1)) == (None, "newer")


async def test_two_dead_tokens_with_the_same_replacement_give_it_to_one_device(world: World) -> None:
    await world.device(DEVICE + 1, "second")
    await world.call(
        Receipt(ReceiptKind.TOKEN_DEAD, SENT_MS, token="token", replacement_token="newer"),
        Receipt(ReceiptKind.TOKEN_DEAD, SENT_MS, token="second", replacement_token="newer"),
    )
    assert {await world.token(DEVICE), await world.token(DEVICE + 1)} == {"newer", None}


# --- from the device -----------------------------------------------------------------------------


async def test_a_device_reports_its_own_push_by_push_or_message_id(world: World, clock: Clock) -> None:
    await world.service.report_from_device(APP, DEVICE, PUSH, None, "shown", SENT_MS + 1)
    await world.service.report_from_device(APP, DEVICE, None, MSG_ID, "clicked", SENT_MS + 2)
    assert await world.marks() == (0, SENT_MS + 1, SENT_MS + 2)
    assert [row[3] for row in await world.rows(_ROWS)] == ["device", "device"]


@pytest.mark.parametrize(
    ("sdkappid", "device_id", "push_id", "msg_id"),
    [
        (APP, DEVICE + 1, PUSH, None),
        (OTHER_APP, DEVICE, PUSH, None),
        (APP, DEVICE, PUSH + 1, None),
        (APP, DEVICE, None, "1-1-1"),
        (APP, DEVICE, None, None),
        (APP, DEVICE, 2**80, None),
    ],
)
async def test_a_device_cannot_report_what_is_not_its_own(
    world: World, sdkappid: int, device_id: int, push_id: int | None, msg_id: str | None
) -> None:
    with pytest.raises(Refused) as refused:
        await world.service.report_from_device(sdkappid, device_id, push_id, msg_id, "clicked", SENT_MS)
    assert refused.value.problem.name == "push_unknown"
    assert await world.marks() == (0, 0, 0)


async def test_a_device_cannot_call_its_token_dead(world: World) -> None:
    with pytest.raises(Refused) as refused:
        await world.service.report_from_device(APP, DEVICE, PUSH, None, "token_dead", SENT_MS)
    assert refused.value.problem.name == "bad_parameter"
    assert await world.token() == "token"


# --- the store in trouble ------------------------------------------------------------------------


class Moody:
    """A store that is busy until it is told otherwise, and fails on one push id."""

    dialect = "sqlite"

    def __init__(self, real: Database) -> None:
        self.real = real
        self.free = asyncio.Event()

    async def write(self, work: Any) -> Any:
        await self.free.wait()
        return await self.real.write(work)

    async def read(self, work: Any) -> Any:
        return await self.real.read(work)

    async def close(self) -> None:
        return None


async def test_a_full_queue_refuses_a_call_as_a_whole_and_takes_it_later(
    database: Database, clock: Clock, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homing.services.receipts.VENDOR_PATIENCE_SECONDS", 0.01)
    moody = Moody(database)
    world = World(moody, clock, ids, max_queued=10)
    calls = ReceiptRequest({}, {}, msgspec.json.encode([DELIVERED] * 8))
    await world.service.accept("mine", calls)
    await world.service.accept("mine", calls)
    with pytest.raises(StoreBusy):
        await world.service.accept("mine", calls)
    moody.free.set()
    await world.service.drain()
    assert await world.service.accept("mine", calls) is not None
    await world.service.drain()


async def test_one_report_that_the_store_refuses_does_not_take_the_others_with_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from homing.store.receipts import store_receipts as real

    async def choosy(tx: Tx, reports: Any, *arguments: Any) -> Any:
        if any(report.code == "poison" for report in reports):
            raise ValueError("the store refuses this one")
        return await real(tx, reports, *arguments)

    monkeypatch.setattr("homing.services.receipts.store_receipts", choosy)
    await world.call(Receipt(ReceiptKind.SHOWN, SENT_MS, push_id=PUSH, code="poison"), DELIVERED)
    assert await world.marks() == (SENT_MS + 1000, 0, 0)


# --- the endpoint --------------------------------------------------------------------------------


class Http:
    """Calls the endpoint as an ASGI server would."""

    def __init__(self, service: Any) -> None:
        self.app = Starlette(routes=routes_of(service))

    async def __call__(self, method: str, path: str, *chunks: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> tuple[int, bytes]:
        waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        waiting.append({"type": "http.request", "body": b"", "more_body": False})
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        path, _, query = path.partition("?")
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": list(headers)}
        await self.app(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


async def test_the_endpoint_answers_what_the_channel_says(world: World) -> None:
    http = Http(world.service)
    assert await http("POST", "/v1/receipts/mine", msgspec.json.encode([DELIVERED])) == (200, b'{"taken":true}')
    await world.service.drain()
    assert await world.marks() == (SENT_MS + 1000, 0, 0)
    assert await http("POST", "/v1/receipts/mine") == (400, b'{"error":"empty"}')


async def test_a_probe_with_get_is_answered_with_success(world: World) -> None:
    assert await Http(world.service)("GET", "/v1/receipts/mine") == (200, b"{}")


async def test_an_unknown_path_is_404_for_every_method(world: World) -> None:
    for method in ("GET", "POST"):
        status, body = await Http(world.service)(method, "/v1/receipts/unknown", b"[]")
        assert status == 404
        assert b"receipt_path_unknown" in body


async def test_a_body_over_the_limit_is_refused_by_length_and_by_content(world: World) -> None:
    http = Http(world.service)
    status, _ = await http("POST", "/v1/receipts/mine", headers=((b"content-length", str(MAX_BODY_BYTES + 1).encode()),))
    assert status == 413
    status, body = await http("POST", "/v1/receipts/mine", *[b" " * 100_000] * 11)
    assert status == 413
    assert b"body_too_long" in body


async def test_a_channel_that_fails_on_a_call_is_a_400(world: World) -> None:
    assert (await Http(world.service)("POST", "/v1/receipts/mine", b"broken"))[0] == 400


async def test_a_certificate_that_cannot_be_opened_asks_the_vendor_to_come_again(world: World) -> None:
    status, body = await Http(world.service)("POST", "/v1/receipts/sealed", b"[]")
    assert status == 503
    assert b"too_fast" in body


async def test_a_full_queue_is_503(world: World) -> None:
    async def full(path: str, request: ReceiptRequest) -> ReceiptAnswer | None:
        raise StoreBusy("too many receipts are waiting for the store")

    assert (await Http(SimpleNamespace(accept=full))("POST", "/v1/receipts/mine", b"[]"))[0] == 503
