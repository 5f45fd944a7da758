"""A fuzzer reads the server's OpenAPI description and calls every operation, with values that fit it and with values that do not.

The server must answer each with something that is described: never a 5xx, never a field of another type, never one that is missing.
The examples are the same in every run.
"""

from __future__ import annotations

import copy
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings

from homing.rules.usersig import sign
from homing.server.openapi.document import description
from homing.server.rest_v4.commands import COMMANDS

APP, KEY, ADMIN = 1400000001, "k" * 64, "administrator"
ACCOUNTS, GROUPS = ["alice", "bob", "nobody"], ["team", "no-such-group"]
FITTING, UNFIT = 8, 4
MAIN = (sys.executable, "-c", "from homing.cli.main import main; main()")
#: What the fuzzer cannot guess: names of things that exist. It uses them where the fields are called so.
KNOWN: dict[str, list[Any]] = {
    **dict.fromkeys(("From_Account", "To_Account", "UserID", "Member_Account", "Owner_Account", "Peer_Account"), ACCOUNTS),
    **dict.fromkeys(("Operator_Account", "Report_Account", "User_Account", "Members_Account", "MemberToDel_Account"), ACCOUNTS),
    **dict.fromkeys(("to_user", "peer", "peers", "user_id", "ToMembers_Account", "NewOwner_Account", "Accounts"), ACCOUNTS),
    **dict.fromkeys(("GroupId", "GroupIdList", "to_group"), GROUPS),
    "Type": ["Public", "Private", "ChatRoom", "AVChatRoom", "Community"],
    "Role": ["Admin", "Member"],
    "MsgFlag": ["AcceptAndNotify", "AcceptNotNotify", "Discard"],
    "option": [0, 1, 2, "AcceptAndNotify"],
    "SyncFromOldSystem": [1, 2, 5],
    "SyncOtherMachine": [0, 1, 2],
    "MsgRandom": [0, 7, 4294967295, -1],
    "MsgTimeStamp": [1_700_000_000, None],
    "MsgLifeTime": [0, 60, 604_800],
    "platform": ["android", "ios", "web"],
    "sdkappid": [APP],
    "limit": [1, 50, 0],
    "AddType": ["Add_Type_Both", "Add_Type_Single"],
    "DeleteType": ["Delete_Type_Both", "Delete_Type_Single"],
    "CheckType": ["CheckResult_Type_Both", "CheckResult_Type_Single", "BlackCheckResult_Type_Both"],
    "Tag": ["Tag_Profile_IM_Nick", "Tag_SNS_IM_Remark"],
    "TagList": ["Tag_Profile_IM_Nick", "Tag_SNS_IM_Remark"],
    "Name": ["Team", "", None],
    "TopicId": [""],
    "ApplyJoinOption": ["FreeAccess", None],
    "InviteJoinOption": ["FreeAccess", None],
    "MsgSeq": [1, 2],
    "MaxCnt": [1, 20],
    "MinTime": [0],
    "MaxTime": [2_000_000_000],
    "user_sig": [sign(APP, "alice", KEY, 1_700_000_000, 3_000_000_000)],  # for a long time: the examples stay the same
    "instance_id": ["fuzz"],
    "AddSource": ["AddSource_Type_Web"],
    "MsgPriority": ["High", "Low"],
    "MuteTime": [0, 60],
    "UnreadMsgNum": [0, 3],
    "Value": ["text", 1],
    "Limit": [10],
    "Next": [0],
    "Offset": [0],
}
INTERNAL = {command.family.internal.rest_code for command in COMMANDS}  # come with HTTP status 200
WHOLE_NUMBERS = [0, 1, 3, 1000, 4_294_967_295]


def _operations() -> list[tuple[str, str]]:
    """Each operation under its first name: another one leads to the same code."""
    found = [(path, method, item["summary"]) for path, methods in description()["paths"].items() for method, item in methods.items()]
    return [(path, method) for path, method, summary in found if not summary.startswith("Another name of")]


class Running(NamedTuple):
    """A server, its description for the fuzzer, and the same with the values that exist."""

    url: str
    described: Any
    informed: Any
    http: requests.Session


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server process with one app."""
    import schemathesis

    folder: Path = tmp_path_factory.mktemp("fuzzed")
    where = ("--database", f"sqlite:///{folder}/homing.db", "--master-key-file", str(folder / "homing.key"))
    subprocess.run([*MAIN, "app", "create", "--sdkappid", str(APP), "--secret-key", KEY, *where], check=True, stdout=subprocess.DEVNULL)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*MAIN, "serve", "--listen", "127.0.0.1:0", *where], stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().decode().split()[-1]
        with requests.Session() as http:
            document = http.get(f"{url}/openapi.json", timeout=10).json()
            load = schemathesis.openapi.from_dict
            yield Running(url, load(document), load(informed(document)), http)
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in (folder / "log").read_text()


def informed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the known values. Bodies are whole, and have no fields of the fuzzer's own."""
    document = copy.deepcopy(document)
    schemas = document["components"]["schemas"]
    _close(schemas)
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if "schema" in parameter:
                    parameter["schema"] = _known(parameter["name"], parameter["schema"])
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            for pointer in (body, *body.get("anyOf", ())):
                if "$ref" in pointer:
                    schema = schemas[pointer["$ref"].rpartition("/")[2]]
                    schema["required"] = list(schema.get("properties", {}))
    return document


def _close(schema: Any) -> None:
    if isinstance(schema, list):
        for item in schema:
            _close(item)
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema["additionalProperties"] = False
        schema["properties"] = {name: _known(name, value) for name, value in schema["properties"].items()}
        schema["required"] = sorted({*schema.get("required", ()), *(set(KNOWN) & set(schema["properties"]))})
    for item in schema.values():
        _close(item)


def _known(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of one field: with what exists where it names something, else with values that are not all absurd."""
    for choice in schema.get("anyOf", ()):
        if choice.get("type") == "array":
            schema = choice  # rather than null
    if schema.get("type") == "array":
        items = {"enum": KNOWN[name]} if name in KNOWN and "$ref" not in schema["items"] else schema["items"]
        return {"type": "array", "items": items, "minItems": 1, "maxItems": 3}
    if KNOWN.get(name) and "$ref" not in schema:
        return {"enum": KNOWN[name]}
    if schema.get("type") == "integer":
        return {"enum": WHOLE_NUMBERS}
    return schema


@pytest.mark.parametrize(("path", "method"), _operations(), ids=lambda part: part.removeprefix("/v4/").removeprefix("/v1/"))
def test_every_answer_is_one_that_is_described(path: str, method: str, running: Running) -> None:
    from schemathesis import GenerationMode

    query, headers = _rest(running) if path.startswith("/v4/") else _device(running)
    described = running.described[path][method.upper()]

    def check(case: Any) -> None:
        answer = case.call(base_url=running.url, session=running.http, headers=headers)
        assert answer.status_code < 500, answer.content
        assert "ErrorCode" not in answer.text or answer.json().get("ErrorCode") not in INTERNAL, answer.content
        described.validate_response(answer)

    for schema, mode, count in ((running.informed, GenerationMode.POSITIVE, FITTING), (running.described, GenerationMode.NEGATIVE, UNFIT)):
        cases = schema[path][method.upper()].as_strategy(generation_mode=mode, query=query)
        run = settings(
            max_examples=count,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        fuzz: Any = given(cases)
        run(fuzz(check))()


def usersig(user_id: str) -> str:
    """A UserSig that is valid now."""
    return sign(APP, user_id, KEY, int(time.time()), 3600)


def _rest(running: Running) -> tuple[dict[str, Any], dict[str, str]]:
    """The query of an administrator; the accounts and the group exist, whatever was fuzzed before."""
    query: Any = {"sdkappid": APP, "identifier": ADMIN, "usersig": usersig(ADMIN), "random": 1, "contenttype": "json"}
    elements = [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hello"}}]
    members = [{"Member_Account": "alice"}, {"Member_Account": "bob"}]
    calls: list[tuple[str, Any]] = [
        ("im_open_login_svc/multiaccount_import", {"Accounts": [ADMIN, "alice", "bob"]}),
        ("group_open_http_svc/create_group", {"GroupId": "team", "Type": "Public", "Name": "Team", "MemberList": members}),
        ("openim/sendmsg", {"From_Account": "alice", "To_Account": "bob", "MsgRandom": 1, "MsgBody": elements}),
        ("openim/sendmsg", {"From_Account": "bob", "To_Account": "alice", "MsgRandom": 2, "MsgBody": elements}),
        ("group_open_http_svc/send_group_msg", {"GroupId": "team", "Random": 3, "MsgBody": elements}),
    ]
    for command, body in calls:
        running.http.post(f"{running.url}/v4/{command}", params=query, json=body, timeout=10)
    return query, {}


def _device(running: Running) -> tuple[None, dict[str, str]]:
    """A session of alice's own for each operation, so that no rate limit of a device is reached."""
    _rest(running)
    body: Any = {"sdkappid": APP, "user_id": "alice", "user_sig": usersig("alice"), "platform": "android"}
    answer = running.http.post(f"{running.url}/v1/device/login", json={**body, "instance_id": "fuzz"}, timeout=10).json()
    return None, {"Authorization": f"Bearer {answer['session_token']}"}


def test_an_answer_that_is_not_described_is_noticed(running: Running) -> None:
    import schemathesis

    document = copy.deepcopy(description())
    document["components"]["schemas"]["UnreadAnswer"]["properties"]["AllC2CUnreadMsgNum"] = {"type": "string"}
    path, (query, _) = "/v4/openim/get_c2c_unread_msg_num", _rest(running)
    answer = running.http.post(running.url + path, params=query, json={"To_Account": "alice"}, timeout=10)
    running.described[path]["POST"].validate_response(answer)
    with pytest.raises(AssertionError, match="violates schema"):
        schemathesis.openapi.from_dict(document)[path]["POST"].validate_response(answer)
