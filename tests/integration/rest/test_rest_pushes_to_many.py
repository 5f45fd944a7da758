"""Pushes to many and what they choose accounts by, as the REST API takes them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homing.model.push_jobs import JobState, job_id_of
from homing.store.engine import Query

from .conftest import APP, OTHER, Rest

INFO = {"Title": "News", "Desc": "It is spring"}
PUSH = {"From_Account": "alice", "MsgRandom": 77, "OfflinePushInfo": INFO}
BODY = [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hi"}}]
JOBS = Query("test.jobs", "SELECT job_id FROM push_job")


async def jobs(rest: Rest) -> int:
    return len(await rest.hub.database.read(lambda tx: tx.fetch(JOBS)))


async def name_attributes(rest: Rest) -> None:
    await rest.ok("timpush/set_attr_name", {"AttrNames": {"0": "sex", "1": "city"}})


async def test_tags_are_added_listed_and_removed_under_all_names_of_the_service(rest: Rest) -> None:
    await rest.ok("all_member_push/im_add_tag", {"UserTags": [{"To_Account": "bob", "Tags": ["a", "b"]}]})
    await rest.ok("openim/im_add_tag", {"UserTags": [{"To_Account": "bob", "Tags": ["b", "c"]}]})
    answer = await rest.ok("timpush/get_tag", {"To_Account": ["bob", "alice", "nobody"]})
    assert answer["UserTags"] == [{"To_Account": "bob", "Tags": ["a", "b", "c"]}, {"To_Account": "alice", "Tags": []}]
    assert [(item["To_Account"], item["ErrorCode"]) for item in answer["ErrorList"]] == [("nobody", 70107)]
    await rest.ok("all_member_push/im_remove_tag", {"UserTags": [{"To_Account": "bob", "Tags": ["a", "never had"]}]})
    await rest.ok("timpush/add_tag", {"Replace": 1, "UserTags": [{"To_Account": "alice", "Tags": ["z"]}]})
    assert (await rest.ok("timpush/get_tag", {"To_Account": ["bob"]}))["UserTags"] == [{"To_Account": "bob", "Tags": ["b", "c"]}]
    await rest.ok("all_member_push/im_remove_all_tags", {"To_Account": ["bob"]})
    assert (await rest.ok("timpush/get_tag", {"To_Account": ["bob"]}))["UserTags"] == [{"To_Account": "bob", "Tags": []}]


async def test_attributes_have_names_and_one_value_an_account(rest: Rest) -> None:
    await name_attributes(rest)
    assert (await rest.ok("all_member_push/im_get_attr_name", {}))["AttrNames"] == {"0": "sex", "1": "city"}
    for sex in ("m", "f"):
        await rest.ok("all_member_push/im_set_attr", {"UserAttrs": [{"To_Account": "bob", "Attrs": {"sex": sex, "city": "Oslo"}}]})
    answer = await rest.ok("all_member_push/im_get_attr", {"To_Account": ["bob"]})
    assert answer["UserAttrs"] == [{"To_Account": "bob", "Attrs": {"city": "Oslo", "sex": "f"}}]
    await rest.ok("all_member_push/im_remove_attr", {"UserAttrs": [{"To_Account": "bob", "Attrs": ["sex"]}]})
    await rest.ok("timpush/remove_attr", {"UserAttrs": [{"To_Account": "bob", "Attrs": {"city": ""}}]})
    assert (await rest.ok("timpush/get_attr", {"To_Account": ["bob"]}))["UserAttrs"] == [{"To_Account": "bob", "Attrs": {}}]


async def test_the_labels_of_one_app_are_not_seen_in_another(rest: Rest) -> None:
    await rest.ok("timpush/add_tag", {"UserTags": [{"To_Account": "bob", "Tags": ["a"]}]})
    other = {"sdkappid": OTHER, "usersig": rest.usersig(app=OTHER)}
    assert (await rest.ok("timpush/get_tag", {"To_Account": ["bob"]}, **other))["UserTags"] == [{"To_Account": "bob", "Tags": []}]


async def test_an_account_that_is_deleted_and_made_again_has_no_labels(rest: Rest) -> None:
    await rest.ok("timpush/add_tag", {"UserTags": [{"To_Account": "bob", "Tags": ["a"]}]})
    await rest.ok("im_open_login_svc/account_delete", {"DeleteItem": [{"UserID": "bob"}]})
    await rest.ok("im_open_login_svc/account_import", {"UserID": "bob"})
    assert (await rest.ok("timpush/get_tag", {"To_Account": ["bob"]}))["UserTags"] == [{"To_Account": "bob", "Tags": []}]


async def test_an_account_has_at_most_a_hundred_tags(rest: Rest) -> None:
    for start in range(0, 100, 10):
        await rest.ok("timpush/add_tag", {"UserTags": [{"To_Account": "bob", "Tags": [f"t{n}" for n in range(start, start + 10)]}]})
    body = {"UserTags": [{"To_Account": "bob", "Tags": ["one more"]}, {"To_Account": "alice", "Tags": ["x"]}]}
    answer = await rest.ok("timpush/add_tag", body)
    assert [(item["To_Account"], item["ErrorCode"]) for item in answer["ErrorList"]] == [("bob", 90046)]
    assert (await rest.ok("timpush/get_tag", {"To_Account": ["alice"]}))["UserTags"][0]["Tags"] == ["x"]


@pytest.mark.parametrize(
    ("command", "body", "code"),
    [
        ("set_attr", {"UserAttrs": [{"To_Account": "bob", "Attrs": {"unnamed": "x"}}]}, 90033),
        ("set_attr", {"UserAttrs": [{"To_Account": "bob", "Attrs": {"sex": "x" * 51}}]}, 90033),
        ("set_attr", {"UserAttrs": 5}, 90019),
        ("set_attr_name", {"AttrNames": {"10": "x"}}, 90033),
        ("add_tag", {"UserTags": [{"To_Account": "bob", "Tags": ["x" * 51]}]}, 90020),
        ("add_tag", {"UserTags": [{"To_Account": "bob", "Tags": ["\0"]}]}, 90020),
        ("add_tag", {"UserTags": [{"To_Account": "bob", "Tags": [f"{n}" for n in range(11)]}]}, 90032),
        ("add_tag", {"UserTags": [{"To_Account": f"u{n}", "Tags": []} for n in range(501)]}, 90018),
        ("add_tag", {"UserTags": [{"To_Account": "Ω", "Tags": ["a"]}]}, 90035),
        ("get_tag", {"To_Account": []}, 90035),
    ],
)
async def test_wrong_labels_are_refused_with_their_code(rest: Rest, command: str, body: dict[str, Any], code: int) -> None:
    await name_attributes(rest)
    assert await rest.code(f"timpush/{command}", body) == code


async def test_a_push_to_all_is_a_job_that_was_answered_at_once(rest: Rest) -> None:
    answer = await rest.ok("timpush/push", PUSH)
    job = await rest.hub.push_jobs.get(APP, answer["TaskId"])
    assert (job.state, job.from_account, job.source) == (JobState.WAITING, "alice", "all")
    assert job_id_of(answer["TaskId"]) == job.job_id


async def test_a_repeat_within_seven_days_is_the_same_push(rest: Rest, clock: Any) -> None:
    first = await rest.ok("timpush/push", PUSH)
    clock.advance(seconds=6 * 86_400)
    answers = await asyncio.gather(*(rest.ok("timpush/push", PUSH) for _ in range(5)))
    assert {answer["TaskId"] for answer in answers} == {first["TaskId"]}
    assert await jobs(rest) == 1
    assert await rest.code("timpush/push", PUSH | {"OfflinePushInfo": {"Desc": "other"}}) == 90025
    clock.advance(seconds=2 * 86_400)
    assert (await rest.ok("timpush/push", PUSH))["TaskId"] != first["TaskId"]


async def test_concurrent_repeats_make_one_job(rest: Rest) -> None:
    answers = await asyncio.gather(*(rest.ok("timpush/push", PUSH) for _ in range(8)))
    assert len({answer["TaskId"] for answer in answers}) == 1
    assert await jobs(rest) == 1


async def test_a_push_to_accounts_names_those_that_there_are_not(rest: Rest) -> None:
    answer = await rest.ok("timpush/batch", PUSH | {"To_Account": ["bob", "nobody", "Ω"]})
    assert answer["TaskId"].startswith("batch_")
    assert [(item["To_Account"], item["ErrorCode"]) for item in answer["ErrorList"]] == [("nobody", 70107), ("Ω", 70107)]


async def test_a_push_to_everybody_that_names_accounts_is_refused(rest: Rest) -> None:
    """Meant for two, sent to all: nobody could take it back."""
    assert await rest.code("timpush/push", PUSH | {"To_Account": ["bob"]}) == 90010
    assert await rest.code("all_member_push/im_push", {"MsgRandom": 5, "MsgBody": BODY, "To_Account": ["bob"]}) == 90010
    assert await jobs(rest) == 0


async def test_a_report_tells_what_is_known_of_a_push(rest: Rest) -> None:
    task = (await rest.ok("all_member_push/im_push", {"MsgRandom": 5, "MsgBody": BODY, "MsgLifeTime": 60}))["TaskId"]
    answer = await rest.ok("openim/im_get_push_report", {"TaskIds": [task]})
    assert answer["Reports"] == [{"TaskId": task, "Status": 0, "Finished": 0, "Total": 0}]
    assert await rest.code("openim/im_get_push_report", {"TaskIds": ["ffff"]}) == 90016
    assert await rest.code("openim/im_get_push_report", {"TaskIds": []}) == 90015
    assert await rest.code("openim/im_get_push_report", {"TaskIds": ["a"] * 501}) == 90014


async def test_a_push_is_recalled_once_and_within_a_day(rest: Rest, clock: Any) -> None:
    task = (await rest.ok("timpush/push", PUSH))["TaskId"]
    assert await rest.code("timpush/revoke", {"TaskId": task}) == 90053
    assert await rest.code("timpush/revoke", {"TaskId": "12", "OfflinePushInfo": INFO}) == 90049
    other = {"sdkappid": OTHER, "usersig": rest.usersig(app=OTHER)}
    assert await rest.code("timpush/revoke", {"TaskId": task, "OfflinePushInfo": INFO}, **other) == 90049
    await rest.ok("timpush/revoke", {"TaskId": task, "OfflinePushInfo": INFO})
    assert await rest.code("timpush/revoke", {"TaskId": task, "OfflinePushInfo": INFO}) == 90050
    late = (await rest.ok("timpush/push", PUSH | {"MsgRandom": 78}))["TaskId"]
    clock.advance(seconds=86_401)
    assert await rest.code("timpush/revoke", {"TaskId": late, "OfflinePushInfo": INFO}) == 90052


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"From_Account": "nobody"}, 90048),
        ({"MsgRandom": None}, 90005),
        ({"MsgRandom": "7"}, 90005),
        ({"OfflinePushInfo": None}, 90010),
        ({"DataId": "x" * 65}, 90010),
        ({"Condition": {}}, 90027),
        ({"Condition": 7}, 90027),
        ({"Condition": {"TagsOr": ["a"], "AttrsOr": {"sex": "m"}}}, 90039),
        ({"Condition": {"TagsOr": ["a", "a"]}}, 90022),
        ({"Condition": {"TagsAnd": [""]}}, 90040),
        ({"Condition": {"TagsAnd": ["x" * 51]}}, 90020),
        ({"Condition": {"TagsOr": [f"{n}" for n in range(11)]}}, 90032),
        ({"Condition": {"AttrsOr": {"sex": ""}}}, 90027),
        ({"OfflinePushInfo": {"Desc": "x" * 10_240}}, 90056),
    ],
)
async def test_a_wrong_push_is_refused_with_its_code(rest: Rest, change: dict[str, Any], code: int) -> None:
    assert await rest.code("timpush/push", PUSH | change) == code
    assert await jobs(rest) == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [({"MsgBody": None}, 90002), ({"MsgBody": []}, 90007), ({"MsgLifeTime": "x"}, 90044), ({"MsgLifeTime": 604_801}, 90026)],
)
async def test_a_wrong_message_to_all_is_refused_with_its_code(rest: Rest, change: dict[str, Any], code: int) -> None:
    assert await rest.code("all_member_push/im_push", {"MsgRandom": 5, "MsgBody": BODY} | change) == code


@pytest.mark.parametrize(("users", "code"), [([], 90003), ([f"u{n}" for n in range(501)], 90011), (["Ω"], 90012)])
async def test_a_push_to_wrong_accounts_is_refused_with_its_code(rest: Rest, users: list[str], code: int) -> None:
    assert await rest.code("timpush/batch", PUSH | {"To_Account": users}) == code


async def test_statistics_of_a_span_without_pushes_are_empty(rest: Rest) -> None:
    span = {"StartTime": rest.now - 3600, "EndTime": rest.now}
    answer = await rest.ok("timpush/normal_push_statistics", span)
    assert (answer["TotalCount"], answer["SentCount"], answer["PlatformStatistics"]) == (0, 0, [])
    task = (await rest.ok("timpush/push", PUSH))["TaskId"]
    answer = await rest.ok("timpush/all_member_push_statistics", span | {"TaskID": [task]})
    assert [(item["TaskID"], item["TotalCount"]) for item in answer["Results"]] == [(task, 0)]
    assert [item["TaskID"] for item in (await rest.ok("timpush/all_member_push_statistics", span))["Results"]] == [""]


@pytest.mark.parametrize(
    ("command", "body", "code"),
    [
        ("normal_push_statistics", {"StartTime": 5, "EndTime": 4}, 90010),
        ("normal_push_statistics", {"StartTime": 0, "EndTime": 31 * 86_400}, 90010),
        ("normal_push_statistics", {"StartTime": 0}, 90010),
        ("all_member_push_statistics", {"StartTime": 0, "EndTime": 1, "TaskID": ["1"] * 6}, 90014),
        ("all_member_push_statistics", {"StartTime": 0, "EndTime": 1, "TaskID": ["1"]}, 90016),
        ("all_member_push_trace", {"TaskID": "1"}, 90015),
        ("all_member_push_trace", {"TaskID": "1", "UserID": "bob"}, 90016),
        ("normal_push_trace", {"PushID": "x"}, 90016),
    ],
)
async def test_wrong_questions_about_statistics_are_refused(rest: Rest, command: str, body: dict[str, Any], code: int) -> None:
    assert await rest.code(f"timpush/{command}", body) == code


async def test_messages_to_people_are_counted_and_traced(rest: Rest) -> None:
    await rest.connect(5, "bob")
    sent = await rest.ok("openim/sendmsg", {"From_Account": "alice", "To_Account": "bob", "MsgRandom": 1, "MsgBody": BODY})
    answer = await rest.ok("timpush/normal_push_statistics", {"StartTime": rest.now - 60, "EndTime": rest.now + 60})
    [online] = answer["PlatformStatistics"]
    assert (online["PushPlatform"], online["EventType"], online["TotalCount"], online["SentCount"]) == (0, 2, 1, 0)
    [trace] = (await rest.ok("timpush/normal_push_trace", {"PushID": sent["MsgId"]}))["InstanceTrace"]
    assert (trace["InstanceId"], trace["PushPlatform"], trace["EventType"]) == ("5", 0, 2)
