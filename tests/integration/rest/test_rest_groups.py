"""Groups by REST: made, described, changed, joined and dissolved, under the old names and the new ones."""

from __future__ import annotations

from typing import Any

import pytest

from homing.store.accounts import insert_accounts
from homing.store.engine import Query

NOTHING = Query("test.nothing", "SELECT 1")
SERVICE = "group_open_http_svc/"
APP, OTHER = 1400000001, 1400000002


async def people(rest: Any, *user_ids: str) -> None:
    rows = [(user_id, "", "") for user_id in user_ids]
    await rest.hub.database.write(lambda tx: insert_accounts(tx, APP, rows, rest.hub.clock.now_ms()))


async def make(rest: Any, **fields: Any) -> str:
    body = {"Type": "Public", "Name": "team", "Owner_Account": "alice", "GroupId": "g1", "MemberList": [{"Member_Account": "bob"}]} | fields
    answer = await rest.ok(SERVICE + "create_group", {name: value for name, value in body.items() if value is not None})
    return str(answer["GroupId"])


async def arrived(rest: Any) -> list[Any]:
    """What the bus brought; it hands over on the next steps of the loop, and a database call takes some."""
    await rest.hub.database.read(lambda tx: tx.fetch(NOTHING))
    return list(rest.delivered)


async def info(rest: Any, group_id: str = "g1", **fields: Any) -> dict[str, Any]:
    answer = await rest.ok(SERVICE + "get_group_info", {"GroupIdList": [group_id], **fields})
    [found] = answer["GroupInfo"]
    return dict(found)


async def roles(rest: Any, *user_ids: str) -> dict[str, str]:
    answer = await rest.ok(SERVICE + "get_role_in_group", {"GroupId": "g1", "User_Account": list(user_ids)})
    return {item["Member_Account"]: item["Role"] for item in answer["UserIdList"]}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Work", "Private"),
        ("Private", "Private"),
        ("Public", "Public"),
        ("Meeting", "ChatRoom"),
        ("ChatRoom", "ChatRoom"),
        ("AVChatRoom", "AVChatRoom"),
        ("Community", "Community"),
    ],
)
async def test_every_kind_of_group_is_made_under_both_its_names(rest: Any, name: str, kind: str) -> None:
    answer = await rest.ok(SERVICE + "create_group", {"Type": name, "Name": "n", "Owner_Account": "alice"})
    assert answer["Type"] == kind
    assert answer["GroupId"].startswith("@TGS#")
    assert (await info(rest, answer["GroupId"]))["Type"] == kind


async def test_a_group_is_described_with_its_members(rest: Any) -> None:
    await make(rest, Introduction="we", Notification="hi", FaceUrl="http://f", AppDefinedData=[{"Key": "k", "Value": "v"}])
    found = await info(rest)
    assert found["ErrorCode"] == 0
    assert (found["Name"], found["Introduction"], found["Notification"], found["FaceUrl"]) == ("team", "we", "hi", "http://f")
    assert (found["Owner_Account"], found["MemberNum"], found["NextMsgSeq"]) == ("alice", 2, 1)
    assert (found["ApplyJoinOption"], found["MuteAllMember"], found["ShutUpAllMember"]) == ("NeedPermission", "Off", "Off")
    assert found["AppDefinedData"] == [{"Key": "k", "Value": "v"}]
    assert {item["Member_Account"]: item["Role"] for item in found["MemberList"]} == {"alice": "Owner", "bob": "Member"}


async def test_only_what_was_asked_for_is_described(rest: Any) -> None:
    await make(rest)
    wanted = {"GroupBaseInfoFilter": ["Name"], "MemberInfoFilter": ["Role"]}
    found = await info(rest, ResponseFilter=wanted)
    assert found["Name"] == "team"
    assert "Owner_Account" not in found
    assert {"Member_Account": "bob", "Role": "Member"} in found["MemberList"]


async def test_unknown_groups_and_other_apps_groups_do_not_exist(rest: Any) -> None:
    await make(rest)
    assert (await info(rest, "nothing"))["ErrorCode"] == 10010
    answer = await rest.ok(SERVICE + "get_group_info", {"GroupIdList": ["g1"]}, sdkappid=OTHER, usersig=rest.usersig(app=OTHER))
    assert answer["GroupInfo"][0]["ErrorCode"] == 10010


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Type": "Party"}, 10004),
        ({"Name": None}, 10004),
        ({"Name": "x" * 101}, 10004),
        ({"GroupId": "@TGS#mine"}, 10015),
        ({"GroupId": "名"}, 10015),
        ({"GroupId": "x" * 49}, 10015),
        ({"Owner_Account": "nobody"}, 10019),
        ({"MemberList": [{"Member_Account": "nobody"}]}, 10019),
        ({"MemberList": [{"Member_Account": "bob", "Role": "King"}]}, 10004),
        ({"MemberList": [{"Member_Account": "bob", "MsgFlag": "Loud"}]}, 10004),
        ({"MaxMemberCount": 1}, 10014),
        ({"ApplyJoinOption": "Perhaps"}, 10004),
        ({"MemberList": "bob"}, 10004),
    ],
)
async def test_a_group_that_cannot_be_is_refused(rest: Any, change: dict[str, Any], code: int) -> None:
    body = {"Type": "Public", "Name": "n", "Owner_Account": "alice", "GroupId": "g9", "MemberList": [{"Member_Account": "bob"}]} | change
    assert await rest.code(SERVICE + "create_group", {name: value for name, value in body.items() if value is not None}) == code
    assert (await info(rest, "g9"))["ErrorCode"] == 10010


async def test_an_id_that_is_taken_is_refused_with_whose_it_is(rest: Any) -> None:
    await make(rest)
    body = {"Type": "Public", "Name": "n", "GroupId": "g1"}
    assert await rest.code(SERVICE + "create_group", body | {"Owner_Account": "bob"}) == 10021
    assert await rest.code(SERVICE + "create_group", body | {"Owner_Account": "alice"}) == 10025


async def test_a_body_that_is_no_json_has_the_groups_code(rest: Any) -> None:
    assert await rest.code(SERVICE + "create_group", b"{") == 10011


async def test_members_are_added_once_and_removed(rest: Any) -> None:
    await people(rest, "carol", "dave")
    await make(rest)
    added = await rest.ok(
        SERVICE + "add_group_member", {"GroupId": "g1", "MemberList": [{"Member_Account": "carol"}, {"Member_Account": "bob"}]}
    )
    assert added["MemberList"] == [{"Member_Account": "carol", "Result": 1}, {"Member_Account": "bob", "Result": 2}]
    assert await roles(rest, "alice", "bob", "carol", "dave") == {
        "alice": "Owner",
        "bob": "Member",
        "carol": "Member",
        "dave": "NotMember",
    }
    await rest.ok(SERVICE + "delete_group_member", {"GroupId": "g1", "MemberToDel_Account": ["bob", "dave"]})
    assert (await info(rest))["MemberNum"] == 2
    assert (await roles(rest, "bob"))["bob"] == "NotMember"
    assert await rest.code(SERVICE + "delete_group_member", {"GroupId": "g1", "MemberToDel_Account": ["alice"]}) == 10009
    assert await rest.code(SERVICE + "add_group_member", {"GroupId": "no", "MemberList": [{"Member_Account": "bob"}]}) == 10010
    assert await rest.code(SERVICE + "add_group_member", {"GroupId": "g1", "MemberList": [{"Member_Account": "ghost"}]}) == 10019


async def test_a_full_group_takes_nobody(rest: Any) -> None:
    await people(rest, "carol")
    await make(rest, MaxMemberCount=2)
    assert await rest.code(SERVICE + "add_group_member", {"GroupId": "g1", "MemberList": [{"Member_Account": "carol"}]}) == 10014
    await rest.ok(SERVICE + "modify_group_base_info", {"GroupId": "g1", "MaxMemberNum": 3})
    await rest.ok(SERVICE + "add_group_member", {"GroupId": "g1", "MemberList": [{"Member_Account": "carol"}]})


async def test_live_audiences_are_joined_not_filled(rest: Any) -> None:
    await make(rest, Type="AVChatRoom")
    assert await rest.code(SERVICE + "add_group_member", {"GroupId": "g1", "MemberList": [{"Member_Account": "bob"}]}) == 10007


async def test_members_are_listed_by_offset_and_by_mark(rest: Any) -> None:
    await people(rest, *(f"u{i}" for i in range(7)))
    await make(rest, MemberList=[{"Member_Account": f"u{i}"} for i in range(7)])
    first = await rest.ok(SERVICE + "get_group_member_info", {"GroupId": "g1", "Limit": 5, "Offset": 0})
    second = await rest.ok(SERVICE + "get_group_member_info", {"GroupId": "g1", "Limit": 5, "Offset": 5})
    assert first["MemberNum"] == 8
    listed = [item["Member_Account"] for item in first["MemberList"] + second["MemberList"]]
    assert sorted(listed) == ["alice", *(f"u{i}" for i in range(7))]
    marked: list[str] = []
    mark = ""
    while True:
        page = await rest.ok(SERVICE + "get_group_member_info", {"GroupId": "g1", "Limit": 3, "Next": mark})
        marked += [item["Member_Account"] for item in page["MemberList"]]
        mark = page["Next"]
        if not mark:
            break
    assert marked == listed
    named = await rest.ok(SERVICE + "get_specified_group_member_info", {"GroupId": "g1", "Member_List_Account": ["u3", "bob"]})
    assert [item["Member_Account"] for item in named["MemberList"]] == ["u3"]


async def test_a_member_is_changed_field_by_field(rest: Any) -> None:
    await make(rest)
    body = {"GroupId": "g1", "Member_Account": "bob"}
    await rest.ok(SERVICE + "modify_group_member_info", body | {"Role": "Admin", "NameCard": "Bobby"})
    await rest.ok(SERVICE + "modify_group_member_info", body | {"MsgFlag": "AcceptNotNotify", "MuteTime": 60})
    await rest.ok(SERVICE + "modify_group_member_info", body | {"AppMemberDefinedData": [{"Key": "k", "Value": "v"}]})
    answer = await rest.ok(SERVICE + "get_group_member_info", {"GroupId": "g1"})
    bob = next(item for item in answer["MemberList"] if item["Member_Account"] == "bob")
    assert (bob["Role"], bob["NameCard"], bob["MsgFlag"]) == ("Admin", "Bobby", "AcceptNotNotify")
    assert bob["MuteUntil"] == bob["ShutUpUntil"] == rest.now + 60
    assert bob["AppMemberDefinedData"] == [{"Key": "k", "Value": "v"}]
    assert await rest.code(SERVICE + "modify_group_member_info", {"GroupId": "g1", "Member_Account": "alice", "Role": "Member"}) == 10007
    assert await rest.code(SERVICE + "modify_group_member_info", body | {"MsgFlag": "Sometimes"}) == 10004


async def test_muted_members_are_listed_until_their_time_is_over(rest: Any) -> None:
    await make(rest)
    await rest.ok(SERVICE + "forbid_send_msg", {"GroupId": "g1", "Members_Account": ["bob"], "ShutUpTime": 60})
    muted = await rest.ok(SERVICE + "get_group_muted_account", {"GroupId": "g1"})
    assert muted["MutedAccountList"] == [{"Member_Account": "bob", "MutedUntil": rest.now + 60}]
    old = await rest.ok(SERVICE + "get_group_shutted_uin", {"GroupId": "g1"})
    assert old["ShuttedUinList"] == [{"Member_Account": "bob", "ShuttedUntil": rest.now + 60}]
    await rest.ok(SERVICE + "forbid_send_msg", {"GroupId": "g1", "Members_Account": ["bob"], "MuteTime": 0})
    assert (await rest.ok(SERVICE + "get_group_muted_account", {"GroupId": "g1"}))["MutedAccountList"] == []
    await make(rest, GroupId="w", Type="Work")
    assert await rest.code(SERVICE + "forbid_send_msg", {"GroupId": "w", "Members_Account": ["bob"], "MuteTime": 9}) == 10007


async def test_a_group_is_changed_given_away_and_dissolved(rest: Any) -> None:
    await make(rest)
    await rest.ok(SERVICE + "modify_group_base_info", {"GroupId": "g1", "Name": "crew", "ShutUpAllMember": "On", "Notification": ""})
    found = await info(rest)
    assert (found["Name"], found["MuteAllMember"], found["Notification"]) == ("crew", "On", "")
    await rest.ok(SERVICE + "change_group_owner", {"GroupId": "g1", "NewOwner_Account": "bob"})
    assert await roles(rest, "alice", "bob") == {"alice": "Member", "bob": "Owner"}
    assert await rest.code(SERVICE + "change_group_owner", {"GroupId": "g1", "NewOwner_Account": "administrator"}) == 10007
    await rest.ok(SERVICE + "destroy_group", {"GroupId": "g1"})
    assert (await info(rest))["ErrorCode"] == 10010
    assert await rest.code(SERVICE + "destroy_group", {"GroupId": "g1"}) == 10010
    assert (await rest.ok(SERVICE + "get_joined_group_list", {"Member_Account": "bob"}))["TotalCount"] == 0


async def test_a_dissolved_group_s_id_can_be_used_again_and_its_messages_stay_apart(rest: Any) -> None:
    await make(rest)
    text = [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "old"}}]
    said = {"GroupId": "g1", "From_Account": "alice", "MsgBody": text}
    for random in (1, 2):
        await rest.ok(SERVICE + "send_group_msg", said | {"Random": random})
    await rest.ok(SERVICE + "destroy_group", {"GroupId": "g1"})
    await make(rest)
    assert (await rest.ok(SERVICE + "send_group_msg", said | {"Random": 3}))["MsgSeq"] == 3
    app = await rest.apps.get(1400000001)
    found, _, _ = await rest.hub.group_messaging.after(app, "g1", "bob", 0, 10)
    assert [item.message.seq for item in found] == [3]


async def test_groups_are_listed_by_app_and_by_member(rest: Any) -> None:
    for number in range(3):
        await make(rest, GroupId=f"p{number}")
    await make(rest, GroupId="w", Type="Work", MemberList=[])
    page = await rest.ok(SERVICE + "get_appid_group_list", {"Limit": 3})
    last = await rest.ok(SERVICE + "get_appid_group_list", {"Limit": 3, "Next": page["Next"]})
    assert (page["TotalCount"], len(page["GroupIdList"]), page["Next"], last["Next"]) == (4, 3, 3, 0)
    assert [item["GroupId"] for item in last["GroupIdList"]] == ["w"]
    assert (await rest.ok(SERVICE + "get_appid_group_list", {"GroupType": "Work"}))["TotalCount"] == 1
    joined = await rest.ok(SERVICE + "get_joined_group_list", {"Member_Account": "bob"})
    assert joined["GroupIdList"] == [{"GroupId": "p0"}, {"GroupId": "p1"}, {"GroupId": "p2"}]
    wanted = {"GroupBaseInfoFilter": ["Name", "Type"], "SelfInfoFilter": ["Role", "UnreadMsgNum"]}
    full = await rest.ok(SERVICE + "get_joined_group_list", {"Member_Account": "alice", "GroupType": "Private", "ResponseFilter": wanted})
    [group] = full["GroupIdList"]
    assert (group["Name"], group["Type"], group["SelfInfo"]) == ("team", "Private", {"Role": "Owner", "UnreadMsgNum": 0})
    assert await rest.code(SERVICE + "get_joined_group_list", {"Member_Account": "ghost"}) == 10019


async def test_an_imported_group_keeps_its_time_and_its_members_keep_theirs(rest: Any) -> None:
    await rest.ok(SERVICE + "import_group", {"Type": "Public", "Name": "old", "GroupId": "g1", "CreateTime": 1_500_000_000})
    assert (await info(rest))["CreateTime"] == 1_500_000_000
    members = [{"Member_Account": "bob", "Role": "Admin", "JoinTime": 1_500_000_100, "UnreadMsgNum": 5}]
    await rest.ok(SERVICE + "import_group_member", {"GroupId": "g1", "MemberList": members})
    wanted = {"SelfInfoFilter": ["Role", "JoinTime", "UnreadMsgNum"]}
    joined = await rest.ok(SERVICE + "get_joined_group_list", {"Member_Account": "bob", "ResponseFilter": wanted})
    assert joined["GroupIdList"][0]["SelfInfo"] == {"Role": "Admin", "JoinTime": 1_500_000_100, "UnreadMsgNum": 5}


async def test_a_deleted_account_is_in_no_group(rest: Any) -> None:
    await make(rest)
    await rest.ok("im_open_login_svc/account_delete", {"DeleteItem": [{"UserID": "bob"}]})
    assert (await info(rest))["MemberNum"] == 1
    assert (await roles(rest, "bob"))["bob"] == "NotMember"


async def test_a_notification_reaches_the_connected_devices_of_those_named(rest: Any) -> None:
    await make(rest)
    await rest.connect(7, "bob")
    await rest.connect(8, "alice")
    await rest.ok(SERVICE + "send_group_system_notification", {"GroupId": "g1", "Content": "hello", "ToMembers_Account": ["bob"]})
    assert [(item.device_id, item.event, item.content) for item in await arrived(rest)] == [(7, "notification", "hello")]
    await rest.ok(SERVICE + "send_group_system_notification", {"GroupId": "g1", "Content": "all"})
    assert sorted(item.device_id for item in (await arrived(rest))[1:]) == [7, 8]
    assert (await rest.ok(SERVICE + "get_online_member_num", {"GroupId": "g1"}))["OnlineMemberNum"] == 2
