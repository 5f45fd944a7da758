"""Do not disturb by REST, and the same from a device's side."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Rest


async def test_options_are_set_and_read(rest: Rest) -> None:
    body = {"From_Account": "bob", "To_Account": ["alice", "administrator"]}
    await rest.ok("openim/set_c2c_receive_opt", body | {"Opt": 2})
    await rest.ok("openim/set_c2c_receive_opt", {"From_Account": "bob", "To_Account": ["alice"], "PassQuietHours": 1})
    answer = await rest.ok("openim/get_c2c_receive_opt", body | {"To_Account": ["alice", "administrator", "carol"]})
    assert answer["OptList"] == [
        {"To_Account": "alice", "Opt": 2, "PassQuietHours": 1},
        {"To_Account": "administrator", "Opt": 2, "PassQuietHours": 0},
        {"To_Account": "carol", "Opt": 0, "PassQuietHours": 0},
    ]


async def test_a_window_is_set_read_and_ended(rest: Rest) -> None:
    window = {"StartHour": 7, "StartMinute": 30, "StartSecond": 15, "Duration": 7200, "TimeZone": "Asia/Kathmandu"}
    await rest.ok("openim/set_all_receive_opt", {"From_Account": "bob"} | window)
    answer = await rest.ok("openim/get_all_receive_opt", {"From_Account": "bob"})
    assert window.items() <= answer.items()
    assert (answer["Opt"], answer["Active"], answer["StartTimeStamp"]) == (2, 0, 0)  # 13:45 in Kathmandu
    await rest.ok("openim/set_all_receive_opt", {"From_Account": "bob", "StartTimeStamp": rest.now, "Duration": 60})
    assert (await rest.ok("openim/get_all_receive_opt", {"From_Account": "bob"}))["Active"] == 1
    await rest.ok("openim/set_all_receive_opt", {"From_Account": "bob", "Opt": 0})
    answer = await rest.ok("openim/get_all_receive_opt", {"From_Account": "bob"})
    assert (answer["Opt"], answer["Duration"]) == (0, 0)


@pytest.mark.parametrize(
    ("command", "body", "code"),
    [
        ("set_c2c_receive_opt", {"To_Account": ["alice"], "Opt": 2}, 20001),
        ("set_c2c_receive_opt", {"From_Account": "bob", "To_Account": ["alice"]}, 90010),
        ("set_c2c_receive_opt", {"From_Account": "bob", "To_Account": ["alice"], "Opt": 3}, 70402),
        ("set_c2c_receive_opt", {"From_Account": "bob", "To_Account": [], "Opt": 2}, 70402),
        ("set_c2c_receive_opt", {"From_Account": "nobody", "To_Account": ["alice"], "Opt": 2}, 90048),
        ("get_c2c_receive_opt", {"From_Account": "bob"}, 70402),
        ("set_all_receive_opt", {"From_Account": "bob", "Opt": 1}, 90010),
        ("set_all_receive_opt", {"From_Account": "bob", "StartHour": 24, "Duration": 60}, 70402),
        ("set_all_receive_opt", {"From_Account": "bob", "Duration": 60, "TimeZone": "x" * 65}, 70402),
        ("set_all_receive_opt", {"From_Account": "bob"}, 70402),
        ("set_all_receive_opt", {"From_Account": "nobody", "Duration": 60}, 90048),
        ("get_all_receive_opt", {}, 20001),
    ],
)
async def test_a_wrong_request_is_refused(rest: Rest, command: str, body: dict[str, Any], code: int) -> None:
    assert await rest.code(f"openim/{command}", body) == code
