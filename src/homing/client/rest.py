"""A backend's side: signs and posts the commands of the server REST API (rest-api sheet, section 1)."""

from __future__ import annotations

import secrets
import ssl as ssl_module
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from homing.model.messages import Element
from homing.model.push_info import OfflinePushInfo
from homing.rules.usersig import sign

from .errors import HomingError
from .http import HttpClient, HttpError

SIGNED_SECONDS = 86_400
_encode = msgspec.json.Encoder().encode


class RestClient:
    """Commands of one app, as one of its administrators. The UserSig is made here and renewed in time."""

    def __init__(
        self,
        base_url: str,
        sdkappid: int,
        secret_key: str,
        *,
        identifier: str = "administrator",
        ssl: ssl_module.SSLContext | None = None,
        timeout_seconds: float = 15.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._http = HttpClient(base_url, ssl=ssl, timeout_seconds=timeout_seconds)
        self._sdkappid = sdkappid
        self._secret_key = secret_key
        self._identifier = identifier
        self._now = now
        self._usersig, self._signed_at = "", 0.0

    async def __aenter__(self) -> RestClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def usersig(self, user_id: str, expire_seconds: int = SIGNED_SECONDS) -> str:
        """A UserSig for a user of the app, as its backend hands it to the device."""
        return sign(self._sdkappid, user_id, self._secret_key, int(self._now()), expire_seconds)

    async def call(self, command: str, body: Any) -> dict[str, Any]:
        """Post a command, for example ``openim/sendmsg``; returns its answer.

        Raises ``HomingError`` with ``number`` = ErrorCode when the answer is not OK, or ``connect_failed``.
        """
        query = {
            "sdkappid": self._sdkappid,
            "identifier": self._identifier,
            "usersig": self._signature(),
            "random": secrets.randbits(32),
            "contenttype": "json",
        }
        try:
            status, raw = await self._http.post(f"/v4/{command}?{urlencode(query)}", _encode(body))
        except HttpError as error:
            raise HomingError("connect_failed", str(error)) from None
        answer = _object(raw)
        if answer is None:
            raise HomingError("internal", f"the server answered HTTP {status} without JSON")
        if answer.get("ActionStatus") != "OK":
            number = answer.get("ErrorCode", 0)
            raise HomingError(str(number), str(answer.get("ErrorInfo", "")), number=number if isinstance(number, int) else 0)
        return answer

    async def import_account(self, user_id: str, nick: str = "", face_url: str = "") -> None:
        """Make an account."""
        await self.call("im_open_login_svc/account_import", {"UserID": user_id, "Nick": nick, "FaceUrl": face_url})

    async def kick(self, user_id: str) -> None:
        """Log an account out everywhere and revoke its UserSigs."""
        await self.call("im_open_login_svc/kick", {"UserID": user_id})

    async def online_status(self, user_ids: Sequence[str]) -> dict[str, str]:
        """Online, PushOnline or Offline, by account; unknown accounts are left out."""
        answer = await self.call("openim/query_online_status", {"To_Account": list(user_ids)})
        return {item["To_Account"]: item["Status"] for item in answer.get("QueryResult", ())}

    async def send_message(
        self,
        from_user: str,
        to_user: str,
        elements: Element | Sequence[Element],
        *,
        offline_push_info: OfflinePushInfo | None = None,
        random: int | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Send a message in the name of ``from_user``; ``fields`` are further fields of ``sendmsg``. Returns its answer."""
        body: dict[str, Any] = {
            "From_Account": from_user,
            "To_Account": to_user,
            "MsgRandom": secrets.randbits(32) if random is None else random,
            "MsgBody": [elements] if isinstance(elements, Element) else list(elements),
        }
        if offline_push_info is not None:
            body["OfflinePushInfo"] = offline_push_info
        return await self.call("openim/sendmsg", body | fields)

    def _signature(self) -> str:
        now = self._now()
        if not self._usersig or now - self._signed_at > SIGNED_SECONDS / 2:
            self._usersig, self._signed_at = self.usersig(self._identifier), now
        return self._usersig


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        answer = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None
