"""The backend SDK against a real server."""

from __future__ import annotations

from typing import Any

import pytest

from homing.client import HomingError, OfflinePushInfo, RestClient, text_message

APP, KEY = 1400000001, "0123456789abcdef" * 4


async def test_commands_are_signed_and_answered(backend: Any) -> None:
    answer = await backend.send_message("alice", "bob", text_message("hi"), random=5, offline_push_info=OfflinePushInfo(Desc="hi"))
    assert answer["ActionStatus"] == "OK"
    assert answer["MsgKey"].split("_")[1] == "5"
    unread = await backend.call("openim/getc2cunreadmsgnum", {"To_Account": "bob"})
    assert unread["AllC2CUnreadMsgNum"] == 1


async def test_a_refusal_carries_the_error_code(server: Any, backend: Any) -> None:
    with pytest.raises(HomingError) as caught:
        await backend.send_message("alice", "nobody", text_message("hi"))
    assert caught.value.number == 90012
    async with RestClient(server.url, APP, "another key of another app") as stranger:
        with pytest.raises(HomingError) as caught:
            await stranger.kick("bob")
    assert caught.value.number == 70009


async def test_a_server_that_is_away_is_told(server: Any, backend: Any) -> None:
    await backend.online_status(["bob"])
    await server.stop()
    with pytest.raises(HomingError, match="connect_failed"):
        await backend.online_status(["bob"])
    await server.start()
    assert await backend.online_status(["bob"]) == {"bob": "Offline"}


def test_a_wrong_base_url_is_told() -> None:
    with pytest.raises(ValueError, match="is no base URL"):
        RestClient("im.example.com", APP, KEY)
