"""The account commands and the online status."""

from __future__ import annotations

from typing import Any

import pytest

from homing.model.devices import Device

SERVICE = "im_open_login_svc/"


async def _status(rest: Any, *user_ids: str) -> list[str]:
    answer = await rest.ok(SERVICE + "account_check", {"CheckItem": [{"UserID": user_id} for user_id in user_ids]})
    assert [item["UserID"] for item in answer["ResultItem"]] == list(user_ids)
    assert all(item["ResultCode"] == 0 for item in answer["ResultItem"])
    return [item["AccountStatus"] for item in answer["ResultItem"]]


async def test_an_imported_account_exists_and_an_import_again_overwrites(rest: Any) -> None:
    await rest.ok(SERVICE + "account_import", {"UserID": "carol", "Nick": "Carol", "FaceUrl": "http://f"})
    await rest.ok(SERVICE + "account_import", {"UserID": "carol", "Nick": "Caroline", "FaceUrl": None, "Unknown": 1})
    assert await _status(rest, "carol", "nobody") == ["Imported", "NotImported"]
    account = await rest.hub.accounts.get(1400000001, "carol")
    assert (account.nick, account.face_url) == ("Caroline", "http://f")
    assert await rest.hub.accounts.get(1400000002, "carol") is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"UserID": ""},
        {"UserID": "x" * 33},
        {"UserID": "名"},
        {"UserID": "a\nb"},
        {"UserID": 5},
        {"UserID": "ok", "Nick": 1},
        {"UserID": "ok", "Nick": "a\0b"},
        {"UserID": "ok", "Nick": "x" * 501},
    ],
)
async def test_illegal_account_values_are_refused(rest: Any, body: dict[str, Any]) -> None:
    assert await rest.code(SERVICE + "account_import", body) == 70402
    assert await _status(rest, "ok") == ["NotImported"]


async def test_a_wrong_type_is_named_by_its_path(rest: Any) -> None:
    answer = await rest(SERVICE + "account_check", {"CheckItem": [{"UserID": "a"}, {"UserID": 7}]})
    assert answer["ErrorCode"] == 70402
    assert "$.CheckItem[1].UserID" in answer["ErrorInfo"]
    answer = await rest(SERVICE + "account_check", {"CheckItem": [{}]})
    assert "$.CheckItem[0].UserID" in answer["ErrorInfo"]


async def test_both_shapes_of_the_multi_import_are_taken(rest: Any) -> None:
    old = await rest.ok(SERVICE + "multiaccount_import", {"Accounts": ["u1", "u2", "bad\n"]})
    new = await rest.ok(SERVICE + "multiaccount_import", {"AccountList": [{"UserID": "u3", "Nick": "Three"}]})
    assert old["FailAccounts"] == ["bad\n"]
    assert new["FailAccounts"] == []
    assert await _status(rest, "u1", "u2", "u3") == ["Imported"] * 3


async def test_a_multi_import_of_nothing_but_bad_names_fails(rest: Any) -> None:
    answer = await rest(SERVICE + "multiaccount_import", {"Accounts": ["名", ""]})
    assert (answer["ActionStatus"], answer["ErrorCode"], answer["FailAccounts"]) == ("FAIL", 70402, ["名", ""])


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("multiaccount_import", {}),
        ("multiaccount_import", {"Accounts": [f"u{n}" for n in range(101)]}),
        ("account_check", {"CheckItem": []}),
        ("account_delete", {"DeleteItem": [{"UserID": f"u{n}"} for n in range(101)]}),
    ],
)
async def test_more_than_a_hundred_accounts_or_none_are_refused(rest: Any, command: str, body: dict[str, Any]) -> None:
    assert await rest.code(SERVICE + command, body) == 70206


async def test_deleting_answers_for_each_account_and_spares_administrators(rest: Any) -> None:
    body = {"DeleteItem": [{"UserID": "alice"}, {"UserID": "nobody"}, {"UserID": "administrator"}, {"UserID": "a\0"}]}
    answer = await rest.ok(SERVICE + "account_delete", body)
    assert [item["ResultCode"] for item in answer["ResultItem"]] == [0, 70107, 70402, 70107]
    assert await _status(rest, "alice", "administrator") == ["NotImported", "Imported"]
    assert "alice" in rest.sessions.forgotten
    assert "administrator" not in rest.sessions.forgotten


async def test_a_deleted_account_can_be_made_again_and_gets_messages(rest: Any) -> None:
    message = {"To_Account": "alice", "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "x"}}]}
    await rest.ok("openim/sendmsg", message | {"MsgRandom": 1})
    await rest.ok(SERVICE + "account_delete", {"DeleteItem": [{"UserID": "alice"}]})
    assert await rest.code("openim/sendmsg", message | {"MsgRandom": 2}) == 90012
    await rest.ok(SERVICE + "account_import", {"UserID": "alice"})
    await rest.ok("openim/sendmsg", message | {"MsgRandom": 3})
    messages, more = await rest.hub.history.inbox_after(1400000001, "alice", 0, 10)
    assert [m.random for m in messages] == [3]
    assert not more


async def test_kick_ends_sessions_and_revokes_what_was_issued_before(rest: Any) -> None:
    await rest.ok(SERVICE + "kick", {"UserID": "alice"})
    assert rest.sessions.revoked == ["alice"]
    assert await rest.hub.accounts.valid_from(1400000001, "alice") == rest.now
    assert await rest.hub.accounts.valid_from(1400000002, "alice") == 0
    assert await rest.code(SERVICE + "kick", {"UserID": "nobody"}) == 70107
    assert await rest.code(SERVICE + "kick", {}) == 70402


def _device(rest: Any, user_id: str, platform: str, **changes: Any) -> Device:
    now_ms = rest.hub.clock.now_ms()
    values = {"instance_id": f"i-{platform}", "last_seen_ms": now_ms, "expires_at_ms": now_ms + 10**9} | changes
    return Device(1, 1400000001, user_id, platform, **values)


async def test_online_status_follows_connection_platform_and_keep_period(rest: Any) -> None:
    day = 86_400_000
    now_ms = rest.hub.clock.now_ms()
    cases = {
        "Online": [_device(rest, "alice", "android", node_id=1), _device(rest, "alice", "ios")],
        "PushOnline": [_device(rest, "alice", "ipad", last_seen_ms=now_ms - 7 * day)],
    }
    offline = [
        [],
        [_device(rest, "alice", "windows")],
        [_device(rest, "alice", "ios", last_seen_ms=now_ms - 7 * day - 1)],
        [_device(rest, "alice", "ios", session_state="logged_out")],
        [_device(rest, "alice", "ios", node_id=1, session_state="kicked")],
        [_device(rest, "alice", "ios", node_id=1, expires_at_ms=now_ms)],
    ]
    for status, devices in [*cases.items(), *(("Offline", devices) for devices in offline)]:
        rest.sessions.devices["alice"] = devices
        answer = await rest.ok("openim/query_online_status", {"To_Account": ["alice", "nobody"]})
        assert answer["QueryResult"] == [{"To_Account": "alice", "Status": status}]
        assert answer["ErrorList"] == [{"To_Account": "nobody", "ErrorCode": 70107}]


async def test_detail_lists_logged_in_platforms_only(rest: Any) -> None:
    rest.sessions.devices["alice"] = [
        _device(rest, "alice", "ios", node_id=1),
        _device(rest, "alice", "android"),
        _device(rest, "alice", "web"),
    ]
    body = {"To_Account": ["alice", "bob"], "IsNeedDetail": 1, "IsReturnInstid": 1}
    answer = await rest.ok("openim/query_online_status", body)
    assert answer["QueryResult"] == [
        {
            "To_Account": "alice",
            "Status": "Online",
            "Detail": [
                {"Platform": "iPhone", "Status": "Online", "Instid": "i-ios"},
                {"Platform": "Android", "Status": "PushOnline", "Instid": "i-android"},
            ],
        },
        {"To_Account": "bob", "Status": "Offline"},
    ]
    assert "ErrorList" not in answer


async def test_the_old_name_answers_state(rest: Any) -> None:
    answer = await rest.ok("openim/querystate", {"To_Account": ["bob"]})
    assert answer["QueryResult"] == [{"To_Account": "bob", "State": "Offline"}]


@pytest.mark.parametrize(
    ("body", "code"), [({}, 90001), ({"To_Account": []}, 90001), ({"To_Account": "bob"}, 90003), ({"To_Account": ["x"] * 501}, 90011)]
)
async def test_wrong_status_queries_have_their_codes(rest: Any, body: dict[str, Any], code: int) -> None:
    assert await rest.code("openim/query_online_status", body) == code
