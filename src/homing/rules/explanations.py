"""What states, reasons and outcomes mean in words, and the cure for each: the troubleshooting list, done by machine.

One table for the command line, the console and the documents, in English and Chinese.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from homing.model.outcome import OutcomeKind, ReceiptKind
from homing.model.push import PushState, Reason

Language = Literal["en", "zh"]


class Words(msgspec.Struct, frozen=True):
    """A sentence and its cure, in both languages. An empty cure: nothing has to be done."""

    en: str
    zh: str
    cure_en: str = ""
    cure_zh: str = ""

    def text(self, language: str) -> str:
        """The sentence."""
        return self.zh if language == "zh" else self.en

    def cure(self, language: str) -> str:
        """What to do about it, or an empty string."""
        return self.cure_zh if language == "zh" else self.cure_en


STATES: Final[Mapping[PushState, Words]] = {
    PushState.WAITING_ACK: Words("sent on the socket, waiting for the device's acknowledgement", "已经由长连接下发，等待终端确认"),
    PushState.PENDING: Words("waiting to be sent to the vendor", "等待发送给厂商"),
    PushState.CLAIMED: Words("being sent to the vendor", "正在发送给厂商"),
    PushState.ACCEPTED: Words("accepted by the vendor", "厂商已接收"),
    PushState.DELIVERED_ONLINE: Words("delivered on the socket, no push was needed", "已经由长连接送达，无需推送"),
    PushState.SUPPRESSED: Words("not pushed", "未推送"),
    PushState.FAILED: Words("failed", "推送失败"),
    PushState.EXPIRED: Words("expired before the vendor took it", "在厂商接收之前已过期"),
    PushState.CANCELLED: Words("cancelled before it was sent", "发送之前已取消"),
}

REASONS: Final[Mapping[Reason, Words]] = {
    Reason.OFFLINE: Words(
        "the device had no connection and was not logged out (app killed, phone locked or without network)",
        "终端没有连接，且没有退出登录（应用被杀、锁屏或断网）",
    ),
    Reason.BACKGROUND: Words("the app had reported that it is in the background", "应用已上报处于后台"),
    Reason.FOREGROUND: Words("the app was connected and in the foreground", "应用在线且处于前台"),
    Reason.NO_ACK: Words(
        "the device seemed to be connected but did not acknowledge the message in time",
        "终端看似在线，但没有在时限内确认消息",
    ),
    Reason.FALLBACK: Words(
        "the vendor called the device's first token dead, so the next token that it had reported was used",
        "厂商判定该终端的首选 token 失效，改用其上报的下一个 token",
    ),
    Reason.LOGGED_OUT: Words(
        "the user had logged out on this device",
        "用户已在该终端退出登录",
        "This is intended: a logged-out device gets nothing. Log in again in the app",
        "这是预期行为：退出登录后不再推送。请在应用内重新登录",
    ),
    Reason.KICKED: Words(
        "another login of the same account had kicked this device",
        "该终端已被同一账号的其他登录踢下线",
        "Log in again on this device, or allow more devices: `homing app set --set terminal_policy=…`",
        "请在该终端重新登录，或放宽多端登录策略：`homing app set --set terminal_policy=…`",
    ),
    Reason.REVOKED: Words(
        "the account's logins were revoked by the REST command kick",
        "该账号的登录态已被 REST 命令 kick 失效",
        "Log in again with a UserSig issued after the kick",
        "请使用 kick 之后签发的 UserSig 重新登录",
    ),
    Reason.USERSIG_EXPIRED: Words(
        "the UserSig of the login had expired",
        "登录所用的 UserSig 已过期",
        "Log in again with a new UserSig when the SDK reports onUserSigExpired; issue UserSigs with a longer validity",
        "收到 onUserSigExpired 后用新的 UserSig 重新登录；签发有效期更长的 UserSig",
    ),
    Reason.SESSION_EXPIRED: Words(
        "the device had not been seen for longer than the keep period",
        "终端失联时间超过保留期",
        "Open the app once; to keep devices longer: `homing app set --set keep_days=…`",
        "请打开一次应用；如需保留更久：`homing app set --set keep_days=…`",
    ),
    Reason.NOT_MOBILE: Words(
        "this kind of device has no offline push: only phones and tablets have",
        "该类终端没有离线推送，只有手机和平板才有",
    ),
    Reason.NO_TOKEN: Words(
        "the device had not reported a push token",
        "终端没有上报推送 token",
        "Check in the app: the vendor's SDK registers after the user agreed to the privacy terms, its callback gives a token, and "
        "setOfflinePushConfig reports it after the login",
        "请检查应用：用户同意隐私协议后注册厂商 SDK，在回调中拿到 token，并在登录后调用 setOfflinePushConfig 上报",
    ),
    Reason.NO_CERTIFICATE: Words(
        "the app has no certificate with the business id that the device reported",
        "终端上报的证书 ID 在该应用下不存在",
        "Add the certificate with `homing cert add`, and use its business id in the app's setOfflinePushConfig",
        "用 `homing cert add` 添加证书，并在应用的 setOfflinePushConfig 中使用它的证书 ID",
    ),
    Reason.CERTIFICATE_PAUSED: Words(
        "the certificate was paused",
        "证书已暂停",
        "`homing cert check` tells what is wrong; correct it with `homing cert set`, then `homing cert resume`",
        "用 `homing cert check` 查明原因，用 `homing cert set` 修正后执行 `homing cert resume`",
    ),
    Reason.OWN_MESSAGE: Words(
        "it is the account's own message: its other devices are synchronised, not notified",
        "这是账号自己发出的消息：其他终端只同步，不提醒",
    ),
    Reason.MUTED: Words(
        "the receiver had muted this conversation",
        "接收者已将该会话设为免打扰",
        "The receiver ends it with setC2CReceiveMessageOpt (or openim/set_c2c_receive_opt); a backend that must ring sends without "
        "WithMuteNotifications",
        "接收者可用 setC2CReceiveMessageOpt（或 openim/set_c2c_receive_opt）取消；后台必须提醒时，发送时不要带 WithMuteNotifications",
    ),
    Reason.QUIET_HOURS: Words(
        "it was in the receiver's do-not-disturb hours",
        "处于接收者的免打扰时段",
        "The receiver changes the hours with setAllReceiveMessageOpt (or openim/set_all_receive_opt), or lets this conversation pass",
        "接收者可用 setAllReceiveMessageOpt（或 openim/set_all_receive_opt）修改时段，或允许该会话在时段内提醒",
    ),
    Reason.DISCARDED: Words(
        "the receiver takes nothing from this conversation",
        "接收者设置了不接收该会话的消息",
        "The receiver changes it with setC2CReceiveMessageOpt (or openim/set_c2c_receive_opt)",
        "接收者可用 setC2CReceiveMessageOpt（或 openim/set_c2c_receive_opt）修改",
    ),
    Reason.BLOCKED: Words(
        "the receiver has the sender on its blacklist",
        "接收者已将发送者加入黑名单",
        "The receiver takes the sender off its blacklist (sns/black_list_delete)",
        "接收者将发送者移出黑名单（sns/black_list_delete）",
    ),
    Reason.SENDER_OPTED_OUT: Words(
        "the sender asked for no push (PushFlag 1)",
        "发送者设置了不推送（PushFlag 为 1）",
        "Send with PushFlag 0 when a push is wanted",
        "需要推送时请将 PushFlag 设为 0",
    ),
    Reason.ONLINE_ONLY: Words(
        "the message is for online devices only",
        "该消息仅发送给在线终端",
        "Send it without OnlineOnlyFlag or online_only when a push is wanted",
        "需要推送时请不要设置 OnlineOnlyFlag 或 online_only",
    ),
    Reason.NO_DESCRIPTION: Words(
        "it is a custom message without a description, so there is nothing to show",
        "这是没有描述的自定义消息，没有可展示的内容",
        "Set Desc in the offline push info (or in the custom element) when you send it",
        "发送时请在离线推送信息（或自定义消息元素）中设置 Desc",
    ),
    Reason.NO_DEVICE: Words(
        "the receiver has never logged in on any device",
        "接收者从未在任何终端登录",
        "Log in once in the app, or import tokens with `homing tokens import`",
        "请先在应用内登录一次，或用 `homing tokens import` 导入 token",
    ),
    Reason.NO_CHANNEL_ID: Words(
        "neither the certificate nor the message names a notification channel, and from Android 8 on this vendor shows nothing without one",
        "证书和消息都没有指定通知通道，而该厂商在 Android 8 及以上没有通道 ID 就不展示通知",
        "Let the app create a channel, register it at the vendor, and set it with `homing cert set … --set channel_id=…`; or send it "
        "in the offline push info. For public messages through a private certificate the option is public_channel_id",
        "请在应用中创建通知通道并在厂商后台登记，然后执行 `homing cert set … --set channel_id=…`，或在离线推送信息中指定；"
        "通过私信证书发送公信消息时对应的选项是 public_channel_id",
    ),
    Reason.VETOED: Words(
        "the app's own backend refused the push before it went out",
        "应用自己的后台在发送前拒绝了这条推送",
        "Look at what the backend answers to Push.CallbackBeforeOfflinePush, or at `homing webhook show`",
        "请检查后台对 Push.CallbackBeforeOfflinePush 的应答，或执行 `homing webhook show`",
    ),
    Reason.READ_ELSEWHERE: Words("the message was read on another device first", "消息已先在其他终端读过"),
    Reason.NOT_MEMBER: Words(
        "the receiver was no member of the group any more",
        "接收者已不是群成员",
        "Add the account to the group again with add_group_member",
        "请用 add_group_member 将该账号重新加入群组",
    ),
    Reason.RECALLED: Words("the message was recalled first", "消息已先被撤回"),
    Reason.TAKEN_BACK: Words(
        "the message was recalled after its notification had gone out: this notification takes its place",
        "消息在通知发出之后被撤回：用这条通知取代它",
    ),
    Reason.CLEARED: Words(
        "the message was read on another device after its notification had gone out: this silent push takes it away",
        "消息在通知发出之后已在其他终端读过：用这条静默推送清除通知",
    ),
    Reason.SUPERSEDED: Words(
        "a newer message of the conversation took its place in the tray",
        "同一会话的更新消息已取代它",
    ),
    Reason.TOKEN_DEAD: Words(
        "the vendor said that this token is no longer valid (app removed, data cleared or token replaced)",
        "厂商表示该 token 已失效（应用被卸载、数据被清除或 token 已更换）",
        "Open the app once so that it reports a new token; if it happens at once, the token and the certificate belong to different apps",
        "请打开一次应用以上报新 token；如果立即失效，说明 token 与证书不属于同一个应用",
    ),
    Reason.TOKEN_MOVED: Words(
        "another account had logged in on this phone, so the token belongs to that account now",
        "另一个账号已在这台手机登录，token 归属于该账号",
        "This is intended: a phone gets the pushes of the account that is logged in",
        "这是预期行为：手机只接收当前登录账号的推送",
    ),
    Reason.TTL_OVER: Words(
        "its time to live ended before the vendor took it",
        "在厂商接收之前有效期已过",
        "Look at the attempts: the vendor was away or throttled for that long. Send with a longer MsgLifeTime",
        "请查看各次发送记录：厂商长时间不可用或限流。可设置更长的 MsgLifeTime",
    ),
    Reason.ATTEMPTS_OVER: Words(
        "every attempt failed until the limit was reached",
        "多次重试均失败，已达上限",
        "Look at the last attempt: it has the vendor's own words",
        "请查看最后一次发送记录中厂商的原始答复",
    ),
    Reason.MESSAGE_REFUSED: Words(
        "the vendor refused the content of this message",
        "厂商拒绝了该消息的内容",
        "Read the vendor's words in the attempt; `homing render` shows the exact request for a message",
        "请查看发送记录中厂商的答复；`homing render` 可显示消息对应的完整请求",
    ),
    Reason.CLASS_REFUSED: Words(
        "the vendor refused the message's class, category or channel id",
        "厂商拒绝了消息的分类或通道 ID",
        "Apply for the class (private or important messages) at the vendor and create the channel id there, "
        "or change notification_class, category or channel_id of the certificate",
        "请在厂商后台申请消息分类权益（私信、重要消息）并创建通道，或修改证书的 notification_class、category、channel_id",
    ),
    Reason.CREDENTIALS_REFUSED: Words(
        "the vendor refused the certificate's credentials",
        "厂商拒绝了证书的凭据",
        "Compare them with the vendor's console, store them with `homing cert set` and test them with `homing cert check`",
        "请与厂商后台核对凭据，用 `homing cert set` 保存，用 `homing cert check` 验证",
    ),
    Reason.QUOTA_DEVICE: Words(
        "the vendor's daily limit for this device is used up",
        "厂商对该设备的单日推送上限已用完",
        "Use the private or important class, which is not limited this way, or send less to one device",
        "请使用不受此限制的私信或重要消息分类，或减少对同一设备的推送",
    ),
}

OUTCOMES: Final[Mapping[OutcomeKind, Words]] = {
    OutcomeKind.ACCEPTED: Words("the vendor accepted it", "厂商已接收"),
    OutcomeKind.TOKEN_DEAD: Words("the vendor calls the token invalid", "厂商表示 token 无效"),
    OutcomeKind.MESSAGE_REFUSED: Words("the vendor refused the content", "厂商拒绝了内容"),
    OutcomeKind.CLASS_REFUSED: Words("the vendor refused the class, category or channel id", "厂商拒绝了消息分类或通道 ID"),
    OutcomeKind.CREDENTIALS_REFUSED: Words("the vendor refused the credentials", "厂商拒绝了凭据"),
    OutcomeKind.AUTH_EXPIRED: Words(
        "the log-in token was no longer valid; it is renewed and the push sent again", "鉴权 token 已失效，刷新后重发"
    ),
    OutcomeKind.THROTTLED: Words("the vendor asked to slow down; sent again later", "厂商要求降速，稍后重发"),
    OutcomeKind.QUOTA_APP: Words(
        "the app's daily quota at the vendor is used up; sent again when the vendor's day begins",
        "应用在厂商的单日推送配额已用完，厂商次日开始后重发",
        "Apply for a larger quota at the vendor, or for the private or important class, which is not limited this way",
        "请向厂商申请更大的配额，或申请不受此限制的私信、重要消息分类",
    ),
    OutcomeKind.QUOTA_DEVICE: Words("the device's daily limit at the vendor is used up", "该设备在厂商的单日上限已用完"),
    OutcomeKind.VENDOR_DOWN: Words("the vendor could not be reached or was out of order; sent again later", "厂商不可达或故障，稍后重发"),
    OutcomeKind.UNKNOWN: Words("the vendor's answer could not be understood; sent again a few times", "无法理解厂商的答复，将重发数次"),
}

RECEIPTS: Final[Mapping[ReceiptKind, Words]] = {
    ReceiptKind.DELIVERED: Words("it reached the phone", "已送达手机"),
    ReceiptKind.SHOWN: Words("it was shown", "已展示"),
    ReceiptKind.CLICKED: Words("the user tapped it", "用户已点击"),
    ReceiptKind.DROPPED: Words(
        "the vendor dropped it after accepting it",
        "厂商接收后丢弃",
        "The vendor's code tells why: often the class, a quota, or content that it filters (very short or repeated texts)",
        "原因见厂商代码：常见的有消息分类、配额，或内容被过滤（过短或重复的文本）",
    ),
    ReceiptKind.TOKEN_DEAD: Words(
        "the vendor found the token invalid later",
        "厂商事后发现 token 已失效",
        REASONS[Reason.TOKEN_DEAD].cure_en,
        REASONS[Reason.TOKEN_DEAD].cure_zh,
    ),
    ReceiptKind.MUTED: Words(
        "notifications are switched off on the phone",
        "手机上的通知已关闭",
        "Ask the user to allow notifications for the app in the phone's settings; some brands switch them off for new apps",
        "请用户在手机设置中允许该应用的通知；部分品牌对新安装的应用默认关闭",
    ),
}

#: For a push that the vendor accepted and nobody heard of again: the phone's side of the troubleshooting list.
UNSEEN: Final[tuple[Words, ...]] = (
    Words(
        "Accepted is not delivered: the vendor keeps it until the phone is reachable, or its time to live ends",
        "接收不等于送达：厂商会保留到手机可达或有效期结束",
    ),
    Words(
        "On the phone, notifications of the app must be allowed, also on the lock screen; some brands switch them off for new apps",
        "手机上须允许该应用的通知（包括锁屏通知）；部分品牌对新安装的应用默认关闭",
    ),
    Words(
        "From Android 8 on some vendors show nothing without a channel id that exists in the app: set channel_id of the certificate",
        "Android 8 及以上的部分厂商必须有应用中已创建的通道 ID 才会展示：请设置证书的 channel_id",
    ),
    Words(
        "Public or marketing messages are limited a day and shown silently: apply for the private or important class at the vendor",
        "公信、营销类消息有每日数量限制并且静默展示：请向厂商申请私信或重要消息分类",
    ),
    Words(
        "The phone's own settings decide the rest: a silent notification or another tone for the app, contents hidden on the lock "
        "screen, no icon in the status bar; a custom tone belongs to the notification channel and stays as it was first made",
        "其余由手机设置决定：静默通知、应用的通知铃声、锁屏隐藏内容、状态栏不显示图标；自定义铃声属于通知通道，首次创建后不会改变",
    ),
    Words(
        "Vendors filter what looks like a trial: a text of digits or a few letters, 'test', the same text again and again; send a sentence",
        "厂商会过滤疑似测试的内容：纯数字、几个字母、“测试”字样或反复相同的文本；请发送一句完整的话",
    ),
    Words(
        "If no message arrives on any phone: `homing cert check` tests the certificate at the vendor, `homing render` shows the request; "
        "then look in the app whether the vendor's SDK registered and the token is reported after each login",
        "如果所有手机都收不到：用 `homing cert check` 在厂商处验证证书，用 `homing render` 查看请求；再检查应用中厂商 SDK 是否注册成功、"
        "每次登录后是否上报 token",
    ),
)

#: For a push that reached the phone and was not tapped, or whose tap opened something else.
OPENS_PAGE: Final = Words(
    "If a tap opens the wrong page or none: click_value of the certificate must name an exported activity of the app's manifest with the "
    "same scheme, host and path, and that page must read the ext",
    "如果点击后打开的页面不对或没有打开：证书的 click_value 必须与应用清单中已导出的 Activity 的 scheme、host、path 一致，"
    "并且该界面要解析 ext",
)

NO_RECEIPTS: Final = Words(
    "This channel gives no delivery receipts: the app can report delivered, shown and clicked with POST /v1/device/push-events",
    "该通道没有送达回执：应用可通过 POST /v1/device/push-events 上报送达、展示和点击",
)
NO_CALLBACK: Final = Words(
    "Receipts of this vendor are not switched on: set callback_base_url of the certificate to this server's public address",
    "未启用该厂商的回执：请将证书的 callback_base_url 设为本服务器的公网地址",
)
OVERDUE: Final = Words(
    "It is due and nobody sends it: is a server with the role push running on this database?",
    "已到发送时间但没有进程在发送：是否有 push 角色的服务器正在使用该数据库？",
)
QUOTA_STOP: Final = Words(
    "The app's daily quota at the vendor is used up: this certificate waits until",
    "应用在厂商的单日配额已用完：该证书等待至",
)
TRIED_AGAIN: Final = Words("an operator had it tried again; before that it had ended", "运维人员让它重新发送；此前的结果")

SESSIONS: Final[Mapping[str, Words]] = {
    "active": Words("logged in", "已登录"),
    "logged_out": Words("logged out", "已退出登录"),
    "kicked": Words("kicked by another login", "被其他登录踢下线"),
    "revoked": Words("logins revoked", "登录态已失效"),
    "expired": Words("UserSig expired", "UserSig 已过期"),
}

EVENTS: Final[Mapping[str, Words]] = {
    "login": Words("logged in", "登录"),
    "logout": Words("logged out", "退出登录"),
    "logged_out": Words("logged out", "退出登录"),
    "kicked": Words("kicked by another login", "被其他登录踢下线"),
    "revoked": Words("login revoked", "登录态被失效"),
    "expired": Words("UserSig expired", "UserSig 过期"),
    "foreground": Words("went to the foreground", "切到前台"),
    "background": Words("went to the background", "切到后台"),
    "token_reported": Words("reported a push token", "上报推送 token"),
    "token_cleared": Words("withdrew its push token", "清除推送 token"),
    "token_moved": Words("its push token moved to another account", "推送 token 转移到其他账号"),
    "token_removed": Words("its push token was removed because the vendor called it invalid", "推送 token 因厂商判定失效而移除"),
    "token_fallback": Words("its next token took the dead one's place", "改用下一个推送 token"),
    "imported": Words("imported", "导入"),
}


def reason_words(reason: str) -> Words:
    """The words of a stored reason; an unknown one (a newer release wrote it) stands for itself."""
    try:
        return REASONS[Reason(reason)]
    except ValueError:
        return Words(reason, reason)


def outcome_words(outcome: str) -> Words:
    """The words of a stored outcome."""
    try:
        return OUTCOMES[OutcomeKind(outcome)]
    except ValueError:
        return Words(outcome, outcome)


def receipt_words(kind: str) -> Words:
    """The words of a stored receipt kind."""
    try:
        return RECEIPTS[ReceiptKind(kind)]
    except ValueError:
        return Words(kind, kind)


def state_words(state: int) -> Words:
    """The words of a stored state."""
    try:
        return STATES[PushState(state)]
    except ValueError:
        return Words(f"state {state}", f"状态 {state}")
