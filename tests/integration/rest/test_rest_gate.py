"""The gate of the REST API: URL, app, UserSig, administrator, body."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from homing.store.engine import StoreBusy

CHECK = "im_open_login_svc/account_check"
SEND = "openim/sendmsg"
BODY = {"CheckItem": [{"UserID": "alice"}]}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sdkappid": None}, 60012),
        ({"sdkappid": ""}, 60012),
        ({"sdkappid": "abc"}, 60006),
        ({"sdkappid": 1}, 60006),
        ({"sdkappid": "9" * 30}, 60006),
        ({"identifier": None}, 60004),
        ({"identifier": ""}, 60004),
        ({"usersig": None}, 60005),
        ({"usersig": ""}, 70002),
        ({"usersig": "nonsense"}, 70003),
        ({"identifier": "alice"}, 70013),
        ({"sdkappid": 1400000002}, 70014),
        ({"contenttype": "xml"}, 60002),
    ],
)
async def test_each_wrong_parameter_has_its_code(rest: Any, changes: dict[str, Any], code: int) -> None:
    assert await rest.code(CHECK, b"not json", **changes) == code


async def test_a_usersig_of_another_key_or_out_of_time_is_refused(rest: Any) -> None:
    key = rest.apps.known[1400000001]
    good = rest.usersig()
    rest.apps.known[1400000001] = msgspec.structs.replace(key, secret_key="c" * 64)
    assert await rest.code(CHECK, BODY, usersig=good) == 70009
    rest.apps.known[1400000001] = key
    assert await rest.code(CHECK, BODY, usersig=rest.usersig(issued_at=rest.now - 100, expire=99)) == 70001


async def test_only_administrators_are_admitted_and_before_the_body_is_looked_at(rest: Any) -> None:
    assert await rest.code(CHECK, b"not json", identifier="alice", usersig=rest.usersig("alice")) == 60010


async def test_a_remembered_usersig_still_expires_and_dies_with_its_key(rest: Any, clock: Any) -> None:
    usersig = rest.usersig(expire=1000)
    await rest.ok(CHECK, BODY, usersig=usersig)
    app = rest.apps.known[1400000001]
    rest.apps.known[1400000001] = msgspec.structs.replace(app, secret_key="c" * 64)
    assert await rest.code(CHECK, BODY, usersig=usersig) == 70009
    rest.apps.known[1400000001] = app
    await rest.ok(CHECK, BODY, usersig=usersig)
    clock.advance(seconds=1001)
    assert await rest.code(CHECK, BODY, usersig=usersig) == 70001


async def test_an_administrator_who_lost_the_office_is_refused_at_once(rest: Any) -> None:
    usersig = rest.usersig()
    await rest.ok(CHECK, BODY, usersig=usersig)
    rest.apps.known[1400000001] = msgspec.structs.replace(rest.apps.known[1400000001], admins=("somebody",))
    assert await rest.code(CHECK, BODY, usersig=usersig) == 60010


async def test_a_kick_revokes_earlier_usersigs_and_not_those_of_the_same_second(rest: Any) -> None:
    earlier = rest.usersig(issued_at=rest.now - 1)
    await rest.ok(CHECK, BODY, usersig=earlier)
    await rest.ok("im_open_login_svc/kick", {"UserID": "administrator"}, usersig=earlier)
    assert await rest.code(CHECK, BODY, usersig=earlier) == 70052
    await rest.ok(CHECK, BODY)


@pytest.mark.parametrize("path", ["/v4/", "/v4/openim", "/v4//sendmsg", "/v4/a/b/c", "/v4/openim//", "/other/x/y"])
async def test_a_url_without_service_and_command_cannot_be_parsed(rest: Any, path: str) -> None:
    assert (await rest.raw(path, rest.query(), [b"{}"]))["ErrorCode"] == 60002


async def test_an_unknown_command_is_named(rest: Any) -> None:
    assert (await rest.raw("/v4/openim/nothing", "", [b"{}"]))["ErrorCode"] == 60009


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
async def test_other_methods_than_post_are_refused(rest: Any, method: str) -> None:
    assert (await rest.raw(f"/v4/{CHECK}", rest.query(), [b"{}"], method))["ErrorCode"] == 60002


async def test_parameters_may_come_in_any_order_and_url_encoded(rest: Any) -> None:
    usersig = rest.usersig().replace("*", "%2A")
    query = f"contenttype=json&random=1&usersig={usersig}&identifier=%61dministrator&sdkappid=1400000001&extra"
    assert (await rest.raw(f"/v4/{CHECK}", query, [b'{"CheckItem":[{"UserID":"alice"}]}']))["ErrorCode"] == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"a":"\\ud800"}', b"nul", b"{}{}", b"1" * 5000])
async def test_what_is_no_json_object_has_the_family_code(rest: Any, body: bytes) -> None:
    assert await rest.code(CHECK, body) == 60003
    assert await rest.code(SEND, body) == 90001


@pytest.mark.parametrize("nested", [b"[" * 70 + b"]" * 70, b"[" * 30_000, b'{"a":' * 5000 + b"1" + b"}" * 5000])
async def test_deep_nesting_is_refused(rest: Any, nested: bytes) -> None:
    assert await rest.code(SEND, b'{"X":' + nested + b"}") == 90001


async def test_brackets_inside_texts_are_no_nesting(rest: Any) -> None:
    body = {"To_Account": "bob", "MsgRandom": 1, "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": '[{"\\' * 100}}]}
    await rest.ok(SEND, body)


async def test_a_long_body_is_answered_without_reading_on(rest: Any) -> None:
    answer = await rest.raw(f"/v4/{CHECK}", rest.query(), [b" " * 600_000] * 100)
    assert answer["ErrorCode"] == 93000
    assert rest.received == 2
    assert (await rest.raw(f"/v4/{SEND}", rest.query(), [b" " * 65_537]))["ErrorCode"] == 93000


async def test_a_body_in_pieces_is_put_together(rest: Any) -> None:
    answer = await rest.raw(f"/v4/{CHECK}", rest.query(), [b'{"Check', b'Item":[{"UserID"', b':"alice"}]}'])
    assert answer["ResultItem"][0]["AccountStatus"] == "Imported"


async def test_a_busy_store_says_too_fast(rest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_: Any) -> None:
        raise StoreBusy("full")

    monkeypatch.setattr(rest.hub.accounts, "check", busy)
    assert await rest.code(CHECK, BODY) == 60007


async def test_a_failure_inside_has_a_request_id_and_no_traceback(rest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise KeyError("secret detail")

    monkeypatch.setattr(rest.hub.accounts, "check", broken)
    answer = await rest(CHECK, BODY)
    assert answer["ErrorCode"] == 70500
    assert "request id" in answer["ErrorInfo"]
    assert "secret detail" not in answer["ErrorInfo"]
    assert await rest.code("openim/query_online_status", {"To_Account": ["alice"]}) == 91000


async def test_a_client_that_hangs_up_gets_nothing(rest: Any) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": f"/v4/{CHECK}", "query_string": rest.query().encode(), "headers": []}
    await rest.api(scope, receive, send)
    assert sent == []
