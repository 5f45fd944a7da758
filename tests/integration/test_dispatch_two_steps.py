"""A vendor's second step, and a request that is repaired: the push goes on at once, and every answer is on record."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.messages import Draft, Element, MessageFlags
from homing.model.outcome import VendorRequest, VendorResponse
from homing.model.push import PushState
from homing.model.push_info import OfflinePushInfo
from homing.store.accounts import insert_accounts
from homing.store.engine import Query, Tx

RECEIVERS = 25
RETYPE = Query("test.two_steps", "UPDATE certificate SET channel = ?")


async def prepare(pipeline: Any, certificate: Certificate, rate: float = 1e6) -> None:
    """``RECEIVERS`` accounts with one offline device each, behind a certificate of the vendor with two steps."""
    channel = CHANNELS["vivo"]
    credentials = channel.credentials_type(app_id="10004", app_key="key", app_secret="secret-of-16-chars")
    options = channel.options_type(category="IM", list_from=20, requests_per_second=rate)  # the clock stands still
    pipeline.authority.certificate = Certificate(certificate.sdkappid, certificate.business_id, "vivo", "", credentials, options)

    async def work(tx: Tx) -> None:
        await insert_accounts(tx, certificate.sdkappid, [(f"u{n}", "", "") for n in range(RECEIVERS)], pipeline.clock.now_ms())
        await tx.execute(RETYPE, "vivo")

    await pipeline.database.write(work)
    for n in range(RECEIVERS):
        await pipeline.device(100 + n, f"u{n}")
    pipeline.vendor.answer = answer
    await pipeline.send("warm up", to="u0")  # the lane is open from here on
    await pipeline.vendor.received(1)
    await pipeline.pushes()
    pipeline.vendor.requests.clear()


def answer(request: VendorRequest) -> VendorResponse:
    return VendorResponse(200, {}, json.dumps({"result": 0, "desc": "", "taskId": "130204417"}).encode())


def refusing(code: int, path: str) -> Any:
    """Refuses the first request to a path."""
    left = [1]

    def verdict(request: VendorRequest) -> VendorResponse:
        if request.url.endswith(path) and left:
            left.pop()
            return VendorResponse(200, {}, json.dumps({"result": code, "desc": "no"}).encode())
        return answer(request)

    return verdict


async def to_all(pipeline: Any) -> None:
    drafts = [
        Draft(
            from_account="alice",
            to_account=f"u{n}",
            elements=(Element("TIMTextElem", {"Text": "to all"}),),
            random=7,
            seq=9,
            flags=MessageFlags.BATCH,
            push_info=OfflinePushInfo(Title="Alice", Desc="to all"),
        )
        for n in range(1, RECEIVERS)
    ]
    await pipeline.messaging.send_many(pipeline.app, drafts)


def paths(pipeline: Any) -> list[str]:
    return [request.url.rpartition("/")[2] for request in pipeline.vendor.requests]


async def test_a_saved_text_is_pushed_to_its_list(pipeline: Any, certificate: Certificate) -> None:
    await prepare(pipeline, certificate)
    await to_all(pipeline)
    await pipeline.vendor.received(2)
    pushes = (await pipeline.pushes())[1:]
    assert {push[1] for push in pushes} == {PushState.ACCEPTED}
    assert paths(pipeline) == ["saveListPayload", "pushToList"]
    assert len(json.loads(pipeline.vendor.requests[1].body)["regIds"]) == RECEIVERS - 1
    attempts = await pipeline.attempts()
    assert len(attempts) == 1 + 2 * (RECEIVERS - 1)


@pytest.mark.parametrize(
    ("code", "path", "expected"),
    [
        (10252, "saveListPayload", ["saveListPayload"] + ["send"] * (RECEIVERS - 1)),
        (10104, "saveListPayload", ["saveListPayload", "saveListPayload", "pushToList"]),
    ],
)
async def test_a_refused_text_goes_another_way(pipeline: Any, certificate: Certificate, code: int, path: str, expected: list[str]) -> None:
    await prepare(pipeline, certificate)
    pipeline.vendor.answer = refusing(code, path)
    await to_all(pipeline)
    await pipeline.vendor.received(len(expected))
    pushes = (await pipeline.pushes())[1:]
    assert {push[1] for push in pushes} == {PushState.ACCEPTED}
    assert paths(pipeline) == expected


async def test_a_text_that_is_taken_for_a_test_arrives_as_a_neutral_one(pipeline: Any, certificate: Certificate) -> None:
    await prepare(pipeline, certificate)
    pipeline.vendor.answer = refusing(10104, "send")
    await pipeline.send("123", to="u1")
    await pipeline.vendor.received(2)
    assert (await pipeline.pushes())[-1][1] == PushState.ACCEPTED
    assert [json.loads(request.body)["content"] for request in pipeline.vendor.requests] == ["123", "你收到一条新消息"]


async def test_a_second_step_that_fails_is_tried_again_from_the_first(pipeline: Any, certificate: Certificate) -> None:
    await prepare(pipeline, certificate)
    down = [1]

    def verdict(request: VendorRequest) -> VendorResponse:
        if request.url.endswith("pushToList") and down:
            down.pop()
            return VendorResponse(503, {}, b"")
        return answer(request)

    pipeline.vendor.answer = verdict
    await to_all(pipeline)
    await pipeline.vendor.received(2)
    assert {push[1] for push in (await pipeline.pushes())[1:]} == {PushState.PENDING}
    pipeline.clock.advance(seconds=60)
    await pipeline.turn()
    await pipeline.vendor.received(4)
    assert {push[1] for push in (await pipeline.pushes())[1:]} == {PushState.ACCEPTED}
    lists = [json.loads(r.body)["requestId"] for r in pipeline.vendor.requests if r.url.endswith("pushToList")]
    assert lists[0] == lists[1]  # the vendor knows the repeat by it


async def test_a_rate_in_phones_makes_the_next_request_wait_for_all_of_a_batch(pipeline: Any, certificate: Certificate) -> None:
    await prepare(pipeline, certificate, rate=100)
    pipeline.clock.advance(seconds=60)
    await to_all(pipeline)
    await pipeline.vendor.received(2)  # a tenth of a second's worth is there at once, and the rest is owed
    await pipeline.pushes()
    await pipeline.send("一会儿", to="u1")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await pipeline.vendor.received(3)
    for _ in range(5):
        pipeline.clock.advance(ms=100)
        await pipeline.turn()
    await pipeline.vendor.received(3)
