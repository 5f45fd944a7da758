"""The client uploads to a whole server and sends the element that names the upload."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from homing.client import HomingClient, HomingError
from homing.rules.usersig import sign

APP, KEY = 1400000001, "0123456789abcdef" * 4
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1000


async def logged_in(server: Any, user_id: str, **options: Any) -> HomingClient:
    client = HomingClient(server.url, APP, **options)
    await client.login(user_id, sign(APP, user_id, KEY, int(time.time())))
    return client


def stored(server: Any, sdkappid: int, uuid: str) -> list[Path]:
    return [path for path in server.hub.media._files._place(sdkappid, uuid).iterdir() if path.is_file()]


async def test_a_picture_is_uploaded_with_progress_and_sent(server: Any, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PICTURE)
    heard: list[int] = []
    async with await logged_in(server, "alice") as alice, await logged_in(server, "bob") as bob:
        picture = await alice.upload(path, "image", on_progress=heard.append)
        assert heard == sorted(set(heard))
        assert heard[-1] == 100
        assert len(heard) > 2
        assert (picture.size, picture.content_type, picture.file_name) == (len(PICTURE), "image/png", "cat.png")
        assert picture.url == f"{server.url}/media/{APP}/{picture.uuid}"
        await alice.send_message("bob", picture.image(640, 480))
        page = await bob.missed_messages()
        content = page.messages[0].elements[0].content
    info = {"Type": 1, "Size": len(PICTURE), "Width": 640, "Height": 480, "URL": picture.url}
    assert content == {"UUID": picture.uuid, "ImageFormat": 3, "ImageInfoArray": [info]}
    assert [file.read_bytes() for file in stored(server, APP, picture.uuid)] == [PICTURE]


async def test_every_kind_has_its_element(server: Any) -> None:
    async with await logged_in(server, "alice") as alice:
        sound = await alice.upload(b"12345", "sound", content_type="audio/amr")
        video = await alice.upload(b"123456", "video", content_type="video/mp4")
        thumb = await alice.upload(b"1234", "image", content_type="image/jpeg")
        file = await alice.upload(b"1234567", file_name="report.pdf")
    assert sound.sound(3).content == {"Url": sound.url, "UUID": sound.uuid, "Size": 5, "Second": 3, "Download_Flag": 2}
    assert file.file().content["FileName"] == "report.pdf"
    assert file.content_type == "application/pdf"
    content = video.video(9, thumb).content
    assert (content["VideoUrl"], content["VideoFormat"], content["ThumbUrl"]) == (video.url, "mp4", thumb.url)


async def test_a_refusal_has_the_server_s_name(server: Any) -> None:
    async with await logged_in(server, "alice") as alice:
        with pytest.raises(HomingError) as refused:
            await alice.upload(b"1", "image", content_type="text/html")
        assert refused.value.code == "bad_parameter"
        server.hub.media._max_bytes = 3
        with pytest.raises(HomingError) as refused:
            await alice.upload(b"1234")
        assert refused.value.code == "media_too_large"
        with pytest.raises(FileNotFoundError):
            await alice.upload(Path("/nowhere/to/be/found"))


async def test_bytes_that_are_refused_on_their_way_say_why(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with await logged_in(server, "alice") as alice:
        monkeypatch.setattr("homing.client.upload._measured", lambda file: (5, "0" * 64))
        with pytest.raises(HomingError) as refused:
            await alice.upload(b"12345")
        assert refused.value.code == "media_differs"


async def test_a_client_that_is_not_logged_in_uploads_nothing(server: Any) -> None:
    async with HomingClient(server.url, APP) as client:
        with pytest.raises(HomingError) as refused:
            await client.upload(b"1")
        assert refused.value.code == "not_logged_in"
