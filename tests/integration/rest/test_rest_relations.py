"""Profiles, friends and blacklists through the REST API, on both engines."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from homing.model.messages import Draft, Element, MessageFlags
from homing.model.problems import MSG_BLOCKED, Refused
from homing.store.engine import Query

from .conftest import APP, OTHER, Rest

NICK, IMAGE, ALLOW = "Tag_Profile_IM_Nick", "Tag_Profile_IM_Image", "Tag_Profile_IM_AllowType"
SOURCE = "AddSource_Type_Test"
_PUSHES = Query("test.reasons", "SELECT user_id, reason FROM push ORDER BY push_id")
_FILTERS = Query("test.filters", "SELECT filters FROM account WHERE sdkappid = ? AND user_id = ?")


def item(name: str, **fields: Any) -> dict[str, Any]:
    return {"To_Account": name, "AddSource": SOURCE} | fields


def codes(answer: dict[str, Any], key: str = "ResultItem") -> dict[str, int]:
    return {row["To_Account"]: row["ResultCode"] for row in answer[key]}


async def set_portrait(rest: Rest, user_id: str, **tags: Any) -> None:
    items = [{"Tag": f"Tag_Profile_IM_{tag}", "Value": value} for tag, value in tags.items()]
    await rest.ok("profile/portrait_set", {"From_Account": user_id, "ProfileItem": items})


async def befriend(rest: Rest, user_id: str, *names: str, kind: str = "Add_Type_Both") -> None:
    body = {"From_Account": user_id, "AddFriendItem": [item(name) for name in names], "AddType": kind, "ForceAddFlags": 1}
    assert set(codes(await rest.ok("sns/friend_add", body)).values()) == {0}


async def send_from_device(rest: Rest, sender: str, receiver: str) -> None:
    app = await rest.apps.get(APP)
    assert app is not None
    flags = MessageFlags.FROM_DEVICE | MessageFlags.HONOUR_MUTE
    draft = Draft(from_account=sender, to_account=receiver, elements=(Element("TIMTextElem", {"Text": "hi"}),), random=7, flags=flags)
    await rest.hub.messaging.send(app, draft)


# --- profiles ---


async def test_what_is_set_is_read_and_what_is_not_set_is_left_out(rest: Rest) -> None:
    await set_portrait(rest, "bob", Nick="Bob 鲍勃", Gender="Gender_Type_Male", BirthDay=19900101, Image="https://x.example/b.png")
    custom = [{"Tag": "Tag_Profile_Custom_Team", "Value": "red"}]
    await rest.ok("profile/portrait_set", {"From_Account": "bob", "ProfileItem": custom})
    tags = [NICK, "Tag_Profile_IM_Gender", "Tag_Profile_IM_BirthDay", IMAGE, "Tag_Profile_Custom_Team", "Tag_Profile_IM_Level"]
    answer = await rest.ok("profile/portrait_get", {"To_Account": ["bob", "nobody"], "TagList": tags})
    bob, nobody = answer["UserProfileItem"]
    assert {entry["Tag"]: entry["Value"] for entry in bob["ProfileItem"]} == {
        NICK: "Bob 鲍勃",
        "Tag_Profile_IM_Gender": "Gender_Type_Male",
        "Tag_Profile_IM_BirthDay": 19900101,
        IMAGE: "https://x.example/b.png",
        "Tag_Profile_Custom_Team": "red",
    }
    assert (nobody["ResultCode"], nobody["ProfileItem"], answer["Fail_Account"], answer["ErrorDisplay"]) == (40003, [], ["nobody"], "")


async def test_the_nick_of_a_profile_is_the_one_that_notifications_show(rest: Rest) -> None:
    await set_portrait(rest, "alice", Nick="Ali", Image="https://x.example/a.png")
    account = await rest.hub.accounts.get(APP, "alice")
    assert account is not None
    assert (account.nick, account.face_url) == ("Ali", "https://x.example/a.png")
    await set_portrait(rest, "alice", Nick="")
    account = await rest.hub.accounts.get(APP, "alice")
    assert account is not None
    assert account.nick == ""


@pytest.mark.parametrize(
    ("tag", "value", "code"),
    [
        ("Tag_Profile_IM_Shoe", "41", 40009),
        ("Tag_Profile_Custom_", "x", 40009),
        (NICK, "x" * 501, 40601),
        (NICK, 5, 40610),
        (NICK, "a\0b", 40605),
        ("Tag_Profile_IM_Gender", "male", 40605),
        ("Tag_Profile_IM_Level", -1, 40605),
        ("Tag_Profile_IM_Level", "1", 40610),
        ("Tag_Profile_IM_Level", True, 40610),
        ("Tag_Profile_Custom_Team", ["red"], 40610),
        ("Tag_Profile_Custom_Team", -5, 40605),
    ],
)
async def test_an_impossible_field_is_refused_and_nothing_is_changed(rest: Rest, tag: str, value: Any, code: int) -> None:
    items = [{"Tag": "Tag_Profile_IM_Location", "Value": "here"}, {"Tag": tag, "Value": value}]
    assert await rest.code("profile/portrait_set", {"From_Account": "bob", "ProfileItem": items}) == code
    answer = await rest.ok("profile/portrait_get", {"To_Account": ["bob"], "TagList": ["Tag_Profile_IM_Location"]})
    assert answer["UserProfileItem"][0]["ProfileItem"] == []


@pytest.mark.parametrize(
    ("command", "body", "code"),
    [
        ("profile/portrait_set", {"ProfileItem": [{"Tag": NICK, "Value": "x"}]}, 40001),
        ("profile/portrait_set", {"From_Account": "bob"}, 40001),
        ("profile/portrait_set", {"From_Account": "bob", "ProfileItem": 5}, 40001),
        ("profile/portrait_set", b"{", 40001),
        ("profile/portrait_set", {"From_Account": "nobody", "ProfileItem": [{"Tag": NICK, "Value": "x"}]}, 40003),
        ("profile/portrait_set", {"From_Account": "名", "ProfileItem": [{"Tag": NICK, "Value": "x"}]}, 40003),
        ("profile/portrait_get", {"To_Account": [], "TagList": [NICK]}, 40001),
        ("profile/portrait_get", {"To_Account": ["bob"]}, 40001),
        ("profile/portrait_get", {"To_Account": ["bob"], "TagList": ["Tag_X"]}, 40009),
        ("profile/portrait_get", {"To_Account": ["u"] * 101, "TagList": [NICK]}, 40001),
        ("sns/friend_add", {"From_Account": "alice"}, 30001),
        ("sns/friend_add", {"AddFriendItem": [item("bob")]}, 30001),
        ("sns/friend_add", {"From_Account": "nobody", "AddFriendItem": [item("bob")]}, 30003),
        ("sns/friend_add", {"From_Account": "alice", "AddFriendItem": [item("bob", AddSource="web")]}, 30001),
        ("sns/friend_add", {"From_Account": "alice", "AddFriendItem": [item("bob", Remark="x" * 97)]}, 30001),
        ("sns/friend_add", {"From_Account": "alice", "AddFriendItem": [item("bob")], "AddType": "Twice"}, 30001),
        ("sns/friend_update", {"From_Account": "alice", "UpdateItem": [{"To_Account": "bob", "SnsItem": []}]}, 30001),
        (
            "sns/friend_update",
            {"From_Account": "alice", "UpdateItem": [{"To_Account": "bob", "SnsItem": [{"Tag": "T", "Value": 1}]}]},
            30001,
        ),
        ("sns/friend_delete", {"From_Account": "alice", "To_Account": ["bob"], "DeleteType": "All"}, 30001),
        ("sns/friend_check", {"From_Account": "alice", "To_Account": ["bob"]}, 30001),
        ("sns/friend_get", {"From_Account": "alice", "StartIndex": -1}, 30001),
        ("sns/friend_get", {"From_Account": "nobody"}, 30003),
        ("sns/friend_get_list", {"From_Account": "alice", "To_Account": ["bob"]}, 30001),
        ("sns/black_list_add", {"From_Account": "alice", "To_Account": []}, 30001),
        ("sns/black_list_add", {"From_Account": "alice", "To_Account": ["u"] * 1001}, 30001),
        ("sns/black_list_add", {"From_Account": "nobody", "To_Account": ["bob"]}, 30003),
        ("sns/black_list_get", {"From_Account": "alice", "MaxLimited": 0}, 30001),
        ("sns/black_list_check", {"From_Account": "alice", "To_Account": ["bob"], "CheckType": "?"}, 30001),
        ("sns/black_list_check", {"From_Account": "nobody", "To_Account": ["bob"], "CheckType": "BlackCheckResult_Type_Both"}, 30003),
    ],
)
async def test_a_wrong_request_gets_the_code_of_its_family(rest: Rest, command: str, body: Any, code: int) -> None:
    assert await rest.code(command, body) == code


# --- friends ---


async def test_friends_are_added_on_both_sides_or_on_one(rest: Rest) -> None:
    one = item("bob", Remark="Bobby", GroupName="Work", AddWording="it is me")
    answer = await rest.ok("sns/friend_add", {"From_Account": "alice", "AddFriendItem": [one, item("nobody"), item("alice")]})
    assert codes(answer) == {"bob": 0, "nobody": 30003, "alice": 30001}
    assert answer["Fail_Account"] == ["nobody", "alice"]
    await befriend(rest, "administrator", "bob", kind="Add_Type_Single")
    check = {"To_Account": ["alice", "administrator", "nobody"], "CheckType": "CheckResult_Type_Both"}
    answer = await rest.ok("sns/friend_check", {"From_Account": "bob"} | check)
    relations = {row["To_Account"]: row["Relation"].removeprefix("CheckResult_Type_") for row in answer["InfoItem"]}
    assert relations == {"alice": "BothWay", "administrator": "BWithA", "nobody": "NoRelation"}
    assert answer["Fail_Account"] == ["nobody"]
    answer = await rest.ok("sns/friend_check", {"From_Account": "bob"} | check | {"CheckType": "CheckResult_Type_Single"})
    assert [row["Relation"] for row in answer["InfoItem"]] == ["CheckResult_Type_AWithB"] + ["CheckResult_Type_NoRelation"] * 2


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        ([("profile", "bob", {"AllowType": "AllowType_Type_NeedConfirm"})], 30539),
        ([("profile", "bob", {"AllowType": "AllowType_Type_DenyAny"})], 30516),
        ([("profile", "bob", {"AllowType": "AllowType_Type_AllowAny"})], 0),
        ([("profile", "alice", {"AdminForbidType": "AdminForbid_Type_SendOut"})], 30009),
        ([("block", "alice", ["bob"])], 30515),
        ([("block", "bob", ["alice"])], 30525),
    ],
)
async def test_the_other_side_decides_unless_the_backend_forces_it(rest: Rest, prepare: list[tuple[str, str, Any]], code: int) -> None:
    for kind, user_id, value in prepare:
        if kind == "profile":
            await set_portrait(rest, user_id, **value)
        else:
            await rest.ok("sns/black_list_add", {"From_Account": user_id, "To_Account": value})
    body = {"From_Account": "alice", "AddFriendItem": [item("bob")]}
    assert codes(await rest.ok("sns/friend_add", body)) == {"bob": code}
    assert codes(await rest.ok("sns/friend_add", body | {"ForceAddFlags": 1})) == {"bob": 0}


async def test_notes_about_a_friend_are_kept_updated_and_read_with_its_profile(rest: Rest) -> None:
    body = {"From_Account": "alice", "AddFriendItem": [item("bob", Remark="B", GroupName=["Work", "Chess"], AddTime=1_600_000_000)]}
    assert codes(await rest.ok("sns/friend_import", body)) == {"bob": 0}
    await set_portrait(rest, "bob", Nick="Robert")
    changes = [
        {"Tag": "Tag_SNS_IM_Remark", "Value": "Bobby"},
        {"Tag": "Tag_SNS_IM_Group", "Value": ["Chess"]},
        {"Tag": "Tag_SNS_Custom_Level", "Value": 3},
    ]
    update = {"From_Account": "alice", "UpdateItem": [{"To_Account": name, "SnsItem": changes} for name in ("bob", "administrator")]}
    assert codes(await rest.ok("sns/friend_update", update)) == {"bob": 0, "administrator": 31704}
    tags = [NICK, "Tag_SNS_IM_Remark", "Tag_SNS_IM_Group", "Tag_SNS_Custom_Level", "Tag_SNS_IM_AddSource", "Tag_SNS_IM_AddTime"]
    answer = await rest.ok("sns/friend_get_list", {"From_Account": "alice", "To_Account": ["bob", "administrator"], "TagList": tags})
    bob, stranger = answer["InfoItem"]
    assert {entry["Tag"]: entry["Value"] for entry in bob["SnsProfileItem"]} == {
        NICK: "Robert",
        "Tag_SNS_IM_Remark": "Bobby",
        "Tag_SNS_IM_Group": ["Chess"],
        "Tag_SNS_Custom_Level": 3,
        "Tag_SNS_IM_AddSource": SOURCE,
        "Tag_SNS_IM_AddTime": 1_600_000_000,
    }
    assert (stranger["ResultCode"], answer["Fail_Account"]) == (31704, ["administrator"])
    answer = await rest.ok("sns/friend_check", {"From_Account": "bob", "To_Account": ["alice"], "CheckType": "CheckResult_Type_Single"})
    assert answer["InfoItem"][0]["Relation"] == "CheckResult_Type_NoRelation"  # an import is one-sided


async def test_friends_are_read_page_by_page(rest: Rest) -> None:
    names = [f"u{n:03}" for n in range(150)]
    for start in (0, 100):
        await rest.ok("im_open_login_svc/multiaccount_import", {"Accounts": names[start : start + 100]})
    await befriend(rest, "alice", *names)
    first = await rest.ok("sns/friend_get", {"From_Account": "alice", "StartIndex": 0, "StandardSequence": 0, "CustomSequence": 0})
    assert (len(first["UserDataItem"]), first["FriendNum"], first["CompleteFlag"], first["NextStartIndex"]) == (100, 150, 0, 100)
    second = await rest.ok("sns/friend_get", {"From_Account": "alice", "StartIndex": first["NextStartIndex"]})
    assert (len(second["UserDataItem"]), second["CompleteFlag"], second["NextStartIndex"]) == (50, 1, 0)
    assert [row["To_Account"] for row in first["UserDataItem"] + second["UserDataItem"]] == names
    assert {entry["Tag"] for entry in first["UserDataItem"][0]["ValueItem"]} == {"Tag_SNS_IM_AddSource", "Tag_SNS_IM_AddTime"}


async def test_friendships_end_on_one_side_on_both_or_all_at_once(rest: Rest) -> None:
    await befriend(rest, "alice", "bob", "administrator")
    assert codes(await rest.ok("sns/friend_delete", {"From_Account": "alice", "To_Account": ["bob", "nobody"]})) == {
        "bob": 0,
        "nobody": 31704,
    }
    check = {"From_Account": "bob", "To_Account": ["alice"], "CheckType": "CheckResult_Type_Both"}
    assert (await rest.ok("sns/friend_check", check))["InfoItem"][0]["Relation"] == "CheckResult_Type_AWithB"
    await rest.ok("sns/friend_delete", {"From_Account": "alice", "To_Account": ["bob"], "DeleteType": "Delete_Type_Both"})
    assert (await rest.ok("sns/friend_check", check))["InfoItem"][0]["Relation"] == "CheckResult_Type_NoRelation"
    await rest.ok("sns/friend_delete_all", {"From_Account": "alice", "DeleteType": "Delete_Type_Both"})
    for user_id in ("alice", "administrator"):
        assert (await rest.ok("sns/friend_get", {"From_Account": user_id}))["FriendNum"] == 0


async def test_a_full_list_takes_no_more_friends(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homing.services.relations.MAX_FRIENDS", 1)
    body = {"From_Account": "alice", "AddFriendItem": [item("bob"), item("administrator")]}
    assert codes(await rest.ok("sns/friend_add", body)) == {"bob": 0, "administrator": 30010}
    body = {"From_Account": "administrator", "AddFriendItem": [item("alice")]}
    assert codes(await rest.ok("sns/friend_add", body)) == {"alice": 30014}
    assert codes(await rest.ok("sns/friend_add", body | {"AddType": "Add_Type_Single"})) == {"alice": 0}


# --- blacklists ---


async def test_a_blacklist_is_filled_read_checked_and_emptied(rest: Rest) -> None:
    await befriend(rest, "alice", "bob")
    answer = await rest.ok("sns/black_list_add", {"From_Account": "alice", "To_Account": ["bob", "nobody", "alice", "administrator"]})
    assert codes(answer) == {"bob": 0, "nobody": 30003, "alice": 30001, "administrator": 0}
    assert (await rest.ok("sns/friend_get", {"From_Account": "bob"}))["FriendNum"] == 0  # the friendship ended on both sides
    page = await rest.ok("sns/black_list_get", {"From_Account": "alice", "StartIndex": 0, "MaxLimited": 1, "LastSequence": 0})
    assert (page["StartIndex"], page["CurruentSequence"]) == (1, 0)
    last = await rest.ok("sns/black_list_get", {"From_Account": "alice", "StartIndex": 1, "MaxLimited": 5, "LastSequence": 0})
    assert last["StartIndex"] == 0
    entries = page["BlackListItem"] + last["BlackListItem"]
    assert [entry["To_Account"] for entry in entries] == ["administrator", "bob"]
    assert {entry["AddBlackTimeStamp"] for entry in entries} == {rest.now}
    check = {"From_Account": "bob", "To_Account": ["alice", "administrator", "nobody"], "CheckType": "BlackCheckResult_Type_Both"}
    answer = await rest.ok("sns/black_list_check", check)
    relations = [row["Relation"].removeprefix("BlackCheckResult_Type_") for row in answer["BlackListCheckItem"]]
    assert (relations, answer["Fail_Account"]) == (["BWithA", "NO", "NO"], ["nobody"])
    await rest.ok("sns/black_list_add", {"From_Account": "bob", "To_Account": ["alice"]})
    assert (await rest.ok("sns/black_list_check", check))["BlackListCheckItem"][0]["Relation"] == "BlackCheckResult_Type_BothWay"
    single = check | {"CheckType": "BlackCheckResult_Type_Single"}
    assert (await rest.ok("sns/black_list_check", single))["BlackListCheckItem"][0]["Relation"] == "BlackCheckResult_Type_AWithB"
    assert codes(await rest.ok("sns/black_list_delete", {"From_Account": "alice", "To_Account": ["bob", "nobody"]})) == {
        "bob": 0,
        "nobody": 0,
    }
    assert len((await rest.ok("sns/black_list_get", {"From_Account": "alice"}))["BlackListItem"]) == 1


async def test_a_full_blacklist_takes_no_more(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homing.services.relations.MAX_BLOCKED", 1)
    assert codes(await rest.ok("sns/black_list_add", {"From_Account": "alice", "To_Account": ["bob", "administrator"]})) == {
        "bob": 0,
        "administrator": 30013,
    }
    assert codes(await rest.ok("sns/black_list_add", {"From_Account": "alice", "To_Account": ["bob"]})) == {"bob": 0}


async def test_a_blocked_sender_gets_its_code_and_nothing_is_stored_or_pushed(rest: Rest) -> None:
    await rest.ok("sns/black_list_add", {"From_Account": "bob", "To_Account": ["alice"]})
    with pytest.raises(Refused) as refused:
        await send_from_device(rest, "alice", "bob")
    assert refused.value.problem is MSG_BLOCKED
    assert MSG_BLOCKED.rest_code == 20007
    assert await rest.hub.database.read(lambda tx: tx.fetch(_PUSHES)) == []
    await send_from_device(rest, "bob", "alice")  # the other way is free
    await rest.ok("sns/black_list_delete", {"From_Account": "bob", "To_Account": ["alice"]})
    await send_from_device(rest, "alice", "bob")
    row = await rest.hub.database.read(lambda tx: tx.fetch_one(_FILTERS, APP, "bob"))
    assert row is not None
    assert row[0] == 0  # nothing is looked up for this account any more


async def test_the_backend_may_send_in_the_name_of_a_blocked_account(rest: Rest) -> None:
    await rest.ok("sns/black_list_add", {"From_Account": "bob", "To_Account": ["alice"]})
    body = [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hi"}}]
    await rest.ok("openim/sendmsg", {"From_Account": "alice", "To_Account": "bob", "MsgRandom": 1, "MsgBody": body})
    assert (await rest.ok("openim/get_c2c_unread_msg_num", {"To_Account": "bob"}))["AllC2CUnreadMsgNum"] == 1


async def test_an_app_may_leave_blocked_senders_in_the_dark(rest: Rest) -> None:
    app = rest.apps.known[APP]
    settings = msgspec.structs.replace(app.settings, tell_blocked_senders=False)
    rest.apps.known[APP] = msgspec.structs.replace(app, settings=settings)
    await rest.connect(1, "bob")
    await rest.ok("sns/black_list_add", {"From_Account": "bob", "To_Account": ["alice"]})
    await send_from_device(rest, "alice", "bob")
    assert [tuple(row) for row in await rest.hub.database.read(lambda tx: tx.fetch(_PUSHES))] == [("bob", "blocked")]
    assert (await rest.ok("openim/get_c2c_unread_msg_num", {"To_Account": "bob"}))["AllC2CUnreadMsgNum"] == 0
    roam = {"MaxCnt": 10, "MinTime": 0, "MaxTime": rest.now + 9}
    for user_id, peer, seen in (("alice", "bob", 1), ("bob", "alice", 0)):
        answer = await rest.ok("openim/admin_getroammsg", {"Operator_Account": user_id, "Peer_Account": peer} | roam)
        assert answer["MsgCnt"] == seen


async def test_lists_of_one_app_are_nothing_to_another(rest: Rest) -> None:
    await befriend(rest, "alice", "bob")
    await rest.ok("sns/black_list_add", {"From_Account": "bob", "To_Account": ["administrator"]})
    other = {"sdkappid": OTHER, "usersig": rest.usersig(app=OTHER)}
    assert (await rest.ok("sns/friend_get", {"From_Account": "alice"}, **other))["FriendNum"] == 0
    assert (await rest.ok("sns/black_list_get", {"From_Account": "bob"}, **other))["BlackListItem"] == []
    await rest.ok("sns/friend_delete_all", {"From_Account": "alice", "DeleteType": "Delete_Type_Both"}, **other)
    assert (await rest.ok("sns/friend_get", {"From_Account": "alice"}))["FriendNum"] == 1


async def test_a_deleted_account_leaves_every_list(rest: Rest) -> None:
    await befriend(rest, "alice", "bob")
    await rest.ok("sns/black_list_add", {"From_Account": "administrator", "To_Account": ["bob"]})
    await rest.ok("im_open_login_svc/account_delete", {"DeleteItem": [{"UserID": "bob"}]})
    await rest.ok("im_open_login_svc/account_import", {"UserID": "bob"})
    assert (await rest.ok("sns/friend_get", {"From_Account": "alice"}))["FriendNum"] == 0
    assert (await rest.ok("sns/friend_get", {"From_Account": "bob"}))["FriendNum"] == 0
    assert (await rest.ok("sns/black_list_get", {"From_Account": "administrator"}))["BlackListItem"] == []
