"""One content for many receivers travels in as few vendor requests as the vendor allows."""

from __future__ import annotations

from typing import Any

import pytest

from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.messages import Draft, Element, MessageFlags
from homing.model.outcome import ReceiptKind, VendorRequest, VendorResponse
from homing.model.push import PushState
from homing.model.push_info import OfflinePushInfo
from homing.store.accounts import insert_accounts
from homing.store.engine import Query, Tx
from homing.store.receipts import Report, store_receipts

HELPERS = 40
RETYPE = Query("test.retype", "UPDATE certificate SET channel = ?")


def xiaomi(pipeline: Any, certificate: Certificate) -> Certificate:
    channel = CHANNELS["xiaomi"]
    options = channel.options_type(package_name="com.example.im", channel_id="1", requests_per_second=1e6)  # the clock stands still
    return Certificate(
        certificate.sdkappid, certificate.business_id, "xiaomi", "", channel.credentials_type(app_secret="secret-of-16-chars"), options
    )


def huawei(pipeline: Any, certificate: Certificate, **options: Any) -> Certificate:
    channel = CHANNELS["huawei"]
    credentials = channel.credentials_type(app_id="100", client_secret="secret-of-16-chars")
    return Certificate(certificate.sdkappid, certificate.business_id, "huawei", "", credentials, channel.options_type(**options))


ACCEPTED = {
    "xiaomi": VendorResponse(200, {}, b'{"result":"ok","code":0,"data":{"id":"scm1"},"description":"ok"}'),
    "huawei": VendorResponse(200, {}, b'{"code":"80000000","msg":"Success","requestId":"1"}'),
}


async def prepare(pipeline: Any, certificate: Certificate) -> None:
    """``HELPERS`` accounts with one offline device each, all behind this certificate."""
    pipeline.authority.certificate = certificate
    pipeline.vendor.answer = lambda _: ACCEPTED[certificate.channel]

    async def work(tx: Tx) -> None:
        await insert_accounts(tx, certificate.sdkappid, [(f"u{n}", "", "") for n in range(HELPERS)], pipeline.clock.now_ms())
        await tx.execute(RETYPE, certificate.channel)

    await pipeline.database.write(work)
    for n in range(HELPERS):
        await pipeline.device(100 + n, f"u{n}")
    await pipeline.send("warm up", to="u0")  # the lane is open from here on
    await pipeline.vendor.received(1)
    await pipeline.pushes()
    pipeline.vendor.requests.clear()


def batch(flags: MessageFlags = MessageFlags.BATCH) -> list[Draft]:
    return [
        Draft(
            from_account="alice",
            to_account=f"u{n}",
            elements=(Element("TIMTextElem", {"Text": "to all"}),),
            random=7,
            seq=9,
            flags=flags,
            push_info=OfflinePushInfo(Title="Alice", Desc="to all"),
        )
        for n in range(HELPERS)
    ]


def covered(requests: list[VendorRequest]) -> list[int]:
    return sorted(target.push_id for request in requests for target in request.targets)


@pytest.mark.parametrize("vendor", [xiaomi, huawei])
async def test_a_batch_of_messages_is_one_vendor_request(pipeline: Any, certificate: Certificate, vendor: Any) -> None:
    await prepare(pipeline, vendor(pipeline, certificate))
    await pipeline.messaging.send_many(pipeline.app, batch())
    await pipeline.vendor.received(1)
    pushes = (await pipeline.pushes())[1:]
    assert {push[1] for push in pushes} == {PushState.ACCEPTED}
    assert len(pipeline.vendor.requests) == 1
    assert covered(pipeline.vendor.requests) == [push[0] for push in pushes]


async def test_receivers_with_other_badges_do_not_share_a_request_where_the_badge_is_shown(pipeline: Any, certificate: Certificate) -> None:
    await prepare(pipeline, huawei(pipeline, certificate, badge_class="com.example.im.Main"))
    await pipeline.messaging.send_many(pipeline.app, batch())
    await pipeline.vendor.received(2)
    await pipeline.pushes()
    assert len(pipeline.vendor.requests) == 2  # u0 has the unread message of the warm-up, the others have one


async def test_messages_of_different_calls_never_share_a_notification(pipeline: Any, certificate: Certificate) -> None:
    await prepare(pipeline, xiaomi(pipeline, certificate))
    await pipeline.messaging.send_many(pipeline.app, batch(MessageFlags.NONE))
    await pipeline.vendor.received(HELPERS)
    assert len(pipeline.vendor.requests) == HELPERS


async def test_a_retry_of_a_batch_is_the_same_notification_again(pipeline: Any, certificate: Certificate) -> None:
    await prepare(pipeline, xiaomi(pipeline, certificate))
    pipeline.vendor.answer = lambda _: VendorResponse(503, {}, b"")
    await pipeline.messaging.send_many(pipeline.app, batch())
    await pipeline.vendor.received(1)
    await pipeline.pushes()
    [first] = pipeline.vendor.requests
    pipeline.vendor.answer = lambda _: ACCEPTED["xiaomi"]
    pipeline.clock.advance(seconds=30)
    await pipeline.turn()
    await pipeline.vendor.received(2)
    again = pipeline.vendor.requests[1]
    assert covered([again]) == covered([first])

    def notify_id(request: VendorRequest) -> bytes:
        return next(part for part in request.body.split(b"&") if part.startswith(b"notify_id="))

    assert notify_id(again) == notify_id(first)


async def test_a_receipt_of_a_batch_finds_the_push_of_its_token(pipeline: Any, certificate: Certificate) -> None:
    await prepare(pipeline, xiaomi(pipeline, certificate))
    await pipeline.messaging.send_many(pipeline.app, batch())
    await pipeline.vendor.received(1)
    pushes = (await pipeline.pushes())[1:]
    report = Report(
        sdkappid=certificate.sdkappid,
        kind=ReceiptKind.DELIVERED,
        at_ms=1,
        business_id=certificate.business_id,
        key=(9, 7),
        token="token-105",
    )
    from_device = Report(sdkappid=certificate.sdkappid, kind=ReceiptKind.CLICKED, at_ms=2, device_id=106, key=(9, 7))
    stranger = Report(sdkappid=certificate.sdkappid, kind=ReceiptKind.CLICKED, at_ms=2, device_id=999, key=(9, 7))
    found, new = await pipeline.database.write(lambda tx: store_receipts(tx, [report, from_device, stranger], 5, iter(range(9)).__next__))
    assert sorted(push_id for push_id, _, _ in new) == [pushes[5][0], pushes[6][0]]
    assert found == [pushes[5][0], pushes[6][0], None]
