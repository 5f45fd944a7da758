"""Who is online (rest-api sheet, section 2, query_online_status and the three states)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from homing.model.apps import DAY_SECONDS, App
from homing.model.devices import MOBILE, Device, Platform, SessionState
from homing.model.problems import ACCOUNT_NOT_FOUND, MSG_BAD_JSON, MSG_TOO_MANY_TARGETS, Refused

from .answers import Answer
from .gate import Call

MAX_TARGETS = 500
ONLINE, PUSH_ONLINE, OFFLINE = "Online", "PushOnline", "Offline"

#: The original product's names. Its table ends before HarmonyOS and Linux; those keep their own.
PLATFORM_NAMES: dict[str, str] = {
    Platform.IOS: "iPhone",
    Platform.IPAD: "iPad",
    Platform.ANDROID: "Android",
    Platform.HARMONY: "Harmony",
    Platform.WEB: "Web",
    Platform.WINDOWS: "PC",
    Platform.MAC: "Mac",
    Platform.LINUX: "Linux",
}


class QueryOnlineStatus(msgspec.Struct):
    """Up to 500 accounts."""

    To_Account: list[str] = []
    IsNeedDetail: int = 0
    IsReturnInstid: int = 0
    IsReturnCustomStatus: int = 0


class PlatformStatus(msgspec.Struct):
    """One logged-in device."""

    Platform: str
    Status: str
    Instid: str | msgspec.UnsetType = msgspec.UNSET


class AccountStatus(msgspec.Struct):
    """The state of one account."""

    To_Account: str
    Status: str
    Detail: list[PlatformStatus] | msgspec.UnsetType = msgspec.UNSET
    CustomStatus: str | msgspec.UnsetType = msgspec.UNSET


class AccountState(msgspec.Struct):
    """The same under the field name of 2019."""

    To_Account: str
    State: str
    Detail: list[PlatformStatus] | msgspec.UnsetType = msgspec.UNSET


class AccountError(msgspec.Struct):
    """An account that could not be served."""

    To_Account: str
    ErrorCode: int


class OnlineAnswer(Answer):
    """The answer of query_online_status."""

    QueryResult: list[AccountStatus] = msgspec.field(default_factory=list)
    ErrorList: list[AccountError] | msgspec.UnsetType = msgspec.UNSET


class StateAnswer(Answer):
    """The answer of querystate."""

    QueryResult: list[AccountState] = msgspec.field(default_factory=list)
    ErrorList: list[AccountError] | msgspec.UnsetType = msgspec.UNSET


async def query_online_status(call: Call, request: QueryOnlineStatus) -> OnlineAnswer:
    """Say for up to 500 accounts whether they are Online, PushOnline or Offline."""
    wanted = request.To_Account
    if not wanted:
        raise Refused(MSG_BAD_JSON, "$.To_Account: it is missing or empty", cure="Pass an array of 1 to 500 accounts")
    if len(wanted) > MAX_TARGETS:
        raise Refused(MSG_TOO_MANY_TARGETS, f"$.To_Account: {len(wanted)} accounts")
    known = await call.hub.accounts.check(call.app, wanted)
    devices = await call.hub.sessions.devices_of(call.app.sdkappid, [user_id for user_id in wanted if user_id in known])
    now_ms = call.hub.clock.now_ms()
    results = [_account(call.app, user_id, devices.get(user_id, ()), now_ms, request) for user_id in wanted if user_id in known]
    unknown = [AccountError(user_id, ACCOUNT_NOT_FOUND.rest_code) for user_id in wanted if user_id not in known]
    return OnlineAnswer(QueryResult=results, ErrorList=unknown or msgspec.UNSET)


async def query_state(call: Call, request: QueryOnlineStatus) -> StateAnswer:
    """The same under its name of 2019, with ``State`` in place of ``Status``."""
    answer = await query_online_status(call, request)
    return StateAnswer(
        QueryResult=[AccountState(item.To_Account, item.Status, item.Detail) for item in answer.QueryResult], ErrorList=answer.ErrorList
    )


def device_status(device: Device, now_ms: int, keep_ms: int) -> str:
    """Online, PushOnline or Offline. ``keep_ms``: how long a phone that is gone without logging out still gets pushes."""
    if device.session_state != SessionState.ACTIVE or 0 < device.expires_at_ms <= now_ms:
        return OFFLINE
    if device.connected:
        return ONLINE
    if device.platform in MOBILE and now_ms - device.last_seen_ms <= keep_ms:
        return PUSH_ONLINE
    return OFFLINE


def _account(app: App, user_id: str, devices: Sequence[Device], now_ms: int, request: QueryOnlineStatus) -> AccountStatus:
    keep_ms = app.settings.keep_days * DAY_SECONDS * 1000
    live = [(device, device_status(device, now_ms, keep_ms)) for device in devices]
    live = [(device, status) for device, status in live if status != OFFLINE]
    states = {status for _, status in live}
    result = AccountStatus(user_id, ONLINE if ONLINE in states else PUSH_ONLINE if PUSH_ONLINE in states else OFFLINE)
    if request.IsNeedDetail == 1 and live:
        result.Detail = [_detail(device, status, instance=request.IsReturnInstid == 1) for device, status in live]
    if request.IsReturnCustomStatus == 1:
        result.CustomStatus = ""
    return result


def _detail(device: Device, status: str, *, instance: bool) -> PlatformStatus:
    name = PLATFORM_NAMES.get(device.platform, device.platform)
    return PlatformStatus(name, status, device.instance_id if instance else msgspec.UNSET)
