"""A recalled message, and one that was read elsewhere, on the trays of three makes of phones; the server dies in between."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from homing.bench.processes import Server
from homing.client import HomingClient, OfflinePushConfig, RestClient, text_message

APP, KEY = 1_400_000_077, "k" * 64
BRANDS = {"google": "fcm", "xiaomi": "xiaomi", "huawei": "huawei", "harmony": "harmony"}
MAIN = (sys.executable, "-c", "from homing.cli.main import main; main()")
SECONDS = 20.0


def call(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, {"content-type": "application/json"}), timeout=5) as answer:
        return json.loads(answer.read())


async def until(happened: Callable[[], Any]) -> Any:
    """What ``happened`` gives, as soon as it is true."""
    async with asyncio.timeout(SECONDS):
        while not (found := await asyncio.to_thread(happened)):  # noqa: ASYNC110  (it happens in another process)
            await asyncio.sleep(0.05)
    return found


async def homing(*argv: str) -> Any:
    process = await asyncio.create_subprocess_exec(*MAIN, *argv, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


@pytest.fixture
async def sandbox() -> AsyncIterator[str]:
    """The vendors' simulators in a process of their own; its address."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*MAIN, "sandbox", "--listen", "127.0.0.1:0", "--apns-listen", "127.0.0.1:0", stdout=pipe)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            while b"http://" not in (line := await process.stdout.readline()):
                assert line, "the sandbox did not start"
        yield "http://127.0.0.1:" + line.decode().split("http://127.0.0.1:", 1)[1].split()[0].strip("/")
    finally:
        process.terminate()
        await process.wait()


async def certify(server: Server, folder: Path, channel: str, hint: dict[str, Any]) -> int:
    """Add the certificate that fits a phone; its number."""
    argv = ["cert", "add", channel, "--sdkappid", str(APP), "--database", server.database, "--master-key-file", str(server.key_file)]
    for name, value in hint["settings"].items():
        argv += ["--set", f"{name}={value}"]
    for name, text in hint["files"].items():
        path = folder / f"{channel}-{name}"
        path.write_text(text)
        argv += ["--file", f"{name}={path}"]
    return int((await homing(*argv))["business_id"])


async def test_notifications_are_taken_back_on_phones_of_all_kinds(
    sandbox: str, make_server: Callable[..., Server], sqlite_url: str, tmp_path: Path
) -> None:
    server = make_server(sqlite_url)
    where = ("--database", server.database, "--master-key-file", str(server.key_file))
    await homing("app", "create", "--sdkappid", str(APP), "--secret-key", KEY, *where)
    phones = {brand: call(f"{sandbox}/phones", {"brand": brand, "notifications_enabled": True}) for brand in BRANDS}
    numbers = {brand: await certify(server, tmp_path, BRANDS[brand], phones[brand]["business_hint"]) for brand in BRANDS}
    await server.start(core=None)
    backend = RestClient(f"http://127.0.0.1:{server.port}", APP, KEY)
    await backend.import_account("alice", "Alice")
    for brand, phone in phones.items():
        async with HomingClient(f"http://127.0.0.1:{server.port}", APP) as client:
            platform, language = "harmony" if brand == "harmony" else "android", "zh-CN" if brand == "huawei" else "en-GB"
            await client.login(brand, backend.usersig(brand), platform=platform, instance_id=brand, language=language)
            await client.set_offline_push_config(OfflinePushConfig(numbers[brand], phone["token"]))
            await client.do_background(0)

    def trays() -> dict[str, list[str]]:
        return {brand: [item["body"] for item in call(f"{sandbox}/phones/{p['phone_id']}/tray")] for brand, p in phones.items()}

    sent = {brand: await backend.send_message("alice", brand, text_message("the password is 1234")) for brand in BRANDS}
    await until(lambda: all(body == ["the password is 1234"] for body in trays().values()))
    for brand, answer in sent.items():
        body = {"From_Account": "alice", "To_Account": brand, "MsgKey": answer["MsgKey"]}
        await backend.call("openim/admin_msgwithdraw", body)
    await server.kill()  # at whatever point it was: what takes the notifications back is as durable as what showed them
    await server.start(core=None)
    english, chinese = ["This message was recalled"], ["此消息已被撤回"]
    await until(lambda: trays() == {"google": english, "xiaomi": english, "huawei": chinese, "harmony": []})

    await backend.aclose()
    backend = RestClient(f"http://127.0.0.1:{server.port}", APP, KEY)
    await backend.send_message("alice", "google", text_message("dinner?"))
    await until(lambda: len(trays()["google"]) == 2)
    await backend.call("openim/admin_set_msg_read", {"Report_Account": "google", "Peer_Account": "alice"})
    await until(lambda: "dinner?" not in trays()["google"])
    told = await homing("explain", "--sdkappid", str(APP), "--user-id", "google", *where)
    reasons = [push["reason"] for message in told["messages"] for push in message["pushes"]]
    assert {"offline", "taken_back", "cleared"} <= set(reasons)
    await backend.aclose()
    assert await server.stop() == 0
