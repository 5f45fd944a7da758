"""Every error that reaches a person: a stable name, the REST code, the HTTP status, a sentence and a cure.

The REST codes are those of the original product (sheet error-codes); the device API answers the
stable name together with the HTTP status.
"""

from __future__ import annotations

import msgspec

HELP_PAGE = "docs/reference/errors.md#"


class Problem(msgspec.Struct, frozen=True):
    """One kind of refusal. ``name`` never changes once released."""

    name: str
    rest_code: int
    http_status: int
    sentence: str
    cure: str

    @property
    def help(self) -> str:
        """Where the documentation explains this problem."""
        return HELP_PAGE + self.name.replace("_", "-")


class Refused(Exception):
    """A use case says no to its caller. Carries the problem and, where it helps, what exactly was wrong."""

    def __init__(self, problem: Problem, detail: str = "", *, cure: str = "") -> None:
        self.problem = problem
        self.detail = detail
        self.cure = cure or problem.cure
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """The sentence for a person: the problem's own, with the detail behind a colon."""
        return f"{self.problem.sentence}: {self.detail}" if self.detail else self.problem.sentence


def _problem(name: str, rest_code: int, http_status: int, sentence: str, cure: str) -> Problem:
    return Problem(name, rest_code, http_status, sentence, cure)


# --- the REST gate (60xxx) -----------------------------------------------------------------------
BAD_URL = _problem("bad_url", 60002, 404, "The URL cannot be parsed", "Use /v4/{service}/{command} with the five query parameters")
BAD_JSON = _problem("bad_json", 60003, 400, "The request body is not valid JSON", "Send one UTF-8 JSON object")
BAD_IDENTIFIER = _problem(
    "bad_identifier", 60004, 401, "The identifier in the URL is missing or wrong", "Pass identifier= with an administrator's UserID"
)
BAD_USERSIG = _problem("bad_usersig", 60005, 401, "The UserSig in the URL is missing or wrong", "Pass usersig= made for that identifier")
UNKNOWN_APP = _problem("unknown_app", 60006, 401, "The SDKAppID is invalid", "Use the sdkappid that `homing app create` made")
TOO_FAST = _problem(
    "too_fast",
    60007,
    429,
    "The server cannot take more work now",
    "Repeat the request after a second; the same MsgSeq and MsgRandom make it safe",
)
REQUEST_TIMEOUT = _problem("request_timeout", 60008, 408, "The request timed out or is malformed HTTP", "Send the whole body at once")
UNKNOWN_COMMAND = _problem(
    "unknown_command", 60009, 404, "There is no such command", "See docs/reference/rest-api.md for the list of commands"
)
NOT_ADMIN = _problem("not_admin", 60010, 403, "The identifier is not an App administrator", "Sign with an administrator of the app")
MISSING_APP = _problem("missing_app", 60012, 400, "The sdkappid parameter is missing", "Pass sdkappid= in the URL")

# --- accounts and UserSig (70xxx) ----------------------------------------------------------------
USERSIG_EXPIRED = _problem("usersig_expired", 70001, 401, "The UserSig is expired", "Generate a new UserSig")
USERSIG_EMPTY = _problem("usersig_empty", 70002, 401, "The UserSig is empty", "Pass a UserSig")
USERSIG_MALFORMED = _problem(
    "usersig_malformed", 70003, 401, "The UserSig cannot be decoded", "Pass the UserSig unchanged: it is often truncated on its way"
)
USERSIG_WRONG_KEY = _problem("usersig_wrong_key", 70009, 401, "The UserSig does not match the app's key", "Sign with this app's secret key")
USERSIG_OTHER_USER = _problem(
    "usersig_other_user", 70013, 401, "The UserSig was made for another identifier", "Sign for the UserID that you pass"
)
USERSIG_OTHER_APP = _problem(
    "usersig_other_app", 70014, 401, "The UserSig was made for another SDKAppID", "Sign for the sdkappid that you pass"
)
APP_NOT_FOUND = _problem("app_not_found", 70020, 404, "The SDKAppID does not exist", "Create the app with `homing app create`")
USERSIG_REVOKED = _problem("usersig_revoked", 70052, 401, "The UserSig was revoked by a kick", "Generate a new UserSig")
ACCOUNT_NOT_FOUND = _problem("account_not_found", 70107, 404, "The account does not exist", "Import it with account_import, or log in once")
BATCH_SIZE = _problem("batch_size", 70206, 400, "The number of accounts in the request is illegal", "Send between 1 and 100 accounts")
BAD_PARAMETER = _problem("bad_parameter", 70402, 400, "A parameter is illegal", "See docs/reference/rest-api.md for the field")
ALREADY_EXISTS = _problem("already_exists", 70402, 409, "It exists already", "Choose another number, or change the one that exists")
ADMIN_REQUIRED = _problem("admin_required", 70403, 403, "This needs an App administrator", "Sign with an administrator of the app")
INTERNAL = _problem(
    "internal", 70500, 500, "The server failed inside", "Repeat the request; the operator finds the cause in the log under the request id"
)

# --- one-to-one messages (20xxx, 80xxx, 90xxx, 93xxx) --------------------------------------------
MSG_BAD_PACKAGE = _problem("message_bad_package", 20001, 400, "A required field is missing or wrong", "See the path in the detail")
MESSAGE_REFUSED = _problem("message_refused", 20006, 403, "The message was refused", "See the detail")
MSG_BLOCKED = _problem(
    "message_blocked", 20007, 403, "The receiver has the sender on its blacklist", "The receiver has to take the sender off its blacklist"
)
RECALL_TOO_LATE = _problem("recall_too_late", 20016, 403, "The recall window is over", "Recall within two minutes, or as an administrator")
MSG_NOT_FOUND = _problem(
    "message_not_found", 20022, 404, "There is no such message", "Pass From_Account, To_Account and MsgKey exactly as the sending answered"
)
HOOK_FAILED = _problem(
    "webhook_failed",
    80003,
    403,
    "The app's backend could not be asked whether the message may be sent",
    "Repair the webhook (`homing webhook show`), or let messages through with --message-on-failure allow",
)
TEXT_TOO_LONG = _problem("message_too_long", 80002, 413, "The message is longer than 12 KB", "Send less, or a link to the content")
MSG_BAD_JSON = _problem("message_bad_json", 90001, 400, "The request body is not valid JSON", "Send one UTF-8 JSON object")
MSG_BAD_BODY = _problem(
    "message_bad_body", 90002, 400, "MsgBody is not in the message format", "See docs/reference/rest-api.md, message elements"
)
MSG_BAD_RECEIVER = _problem("message_bad_receiver", 90003, 400, "To_Account is missing or has the wrong type", "Pass To_Account")
MSG_BAD_SEQ = _problem(
    "message_bad_seq", 90004, 400, "MsgSeq has the wrong type or range", "Pass an unsigned 32-bit integer, or leave it out"
)
MSG_BAD_RANDOM = _problem("message_bad_random", 90005, 400, "MsgRandom is missing or has the wrong type", "Pass an unsigned 32-bit integer")
MSG_BAD_TIME = _problem("message_bad_time", 90006, 400, "MsgTimeStamp has the wrong type", "Pass seconds since 1970")
MSG_BODY_NOT_ARRAY = _problem(
    "message_body_not_array", 90007, 400, "MsgBody is not an array", "Pass a JSON array with at least one element"
)
MSG_NOT_ADMIN = _problem(
    "message_not_admin", 90009, 403, "The request needs App administrator permission", "Sign with an administrator of the app"
)
MSG_BAD_FORMAT = _problem("message_bad_format", 90010, 400, "The JSON is not in the message format", "See the path in the detail")
MSG_TOO_MANY_TARGETS = _problem("message_too_many_targets", 90011, 400, "There are more than 500 receivers", "Split the request")
MSG_RECEIVER_UNKNOWN = _problem("message_receiver_unknown", 90012, 404, "To_Account is not registered", "Import the account first")
MSG_TOO_MANY_ACCOUNTS = _problem("message_too_many_accounts", 90018, 400, "There are too many accounts in the request", "Split the request")
MSG_BAD_LIFETIME = _problem("message_bad_lifetime", 90026, 400, "The offline retention time is wrong", "Pass 0 to 604800 seconds")
MSG_BAD_SYNC = _problem("message_bad_sync", 90031, 400, "SyncOtherMachine is not an integer", "Pass 1 or 2")
MSG_BAD_LIFETIME_TYPE = _problem("message_bad_lifetime_type", 90044, 400, "MsgLifeTime is not an integer", "Pass 0 to 604800 seconds")
MSG_SENDER_UNKNOWN = _problem("message_account_unknown", 90048, 404, "The account does not exist", "Import the account first")
MSG_INTERNAL = _problem("message_internal", 91000, 500, "The server failed inside", "Repeat the request with the same MsgSeq and MsgRandom")
BODY_TOO_LONG = _problem("body_too_long", 93000, 413, "The JSON is longer than the limit", "Send at most 12 KB of message")
# --- pushes to many (900xx) ----------------------------------------------------------------------
TAG_TOO_LONG = _problem("tag_too_long", 90020, 400, "A tag is empty, longer than 50 bytes or not text", "Use tags of 1 to 50 bytes")
LABELS_BAD_BODY = _problem("labels_bad_body", 90019, 400, "The tags or attributes are not in their format", "See the path in the detail")
CONDITION_DUPLICATE_TAG = _problem("condition_duplicate_tag", 90022, 400, "A tag stands twice in the condition", "Name each tag once")
PUSH_TASK_EXISTS = _problem(
    "push_task_exists", 90025, 409, "Another push with this MsgRandom exists", "Repeat a push with the same body, or take another MsgRandom"
)
CONDITION_ILLEGAL = _problem(
    "condition_illegal", 90027, 400, "The Condition is illegal", "Use TagsOr, TagsAnd, AttrsOr or AttrsAnd, or leave Condition out"
)
TOO_MANY_TAGS = _problem("too_many_tags", 90032, 400, "There are more than 10 tags", "Send at most 10 tags at a time")
ATTRIBUTE_ILLEGAL = _problem(
    "attribute_illegal", 90033, 400, "An attribute is illegal", "Name the attribute with set_attr_name first; a value has 1 to 50 bytes"
)
LABELS_BAD_ACCOUNT = _problem("labels_bad_account", 90035, 400, "A To_Account is illegal", "Pass UserIDs of 1 to 32 bytes")
CONDITION_MIXED = _problem("condition_mixed", 90039, 400, "Tags and attributes are mixed in the condition", "Use either tags or attributes")
CONDITION_EMPTY_TAG = _problem("condition_empty_tag", 90040, 400, "A tag in the condition is empty", "Leave empty tags out")
USER_HAS_TOO_MANY_TAGS = _problem(
    "user_has_too_many_tags", 90046, 409, "The account has more than 100 tags", "Remove tags of this account first"
)
BAD_STATISTICS_SPAN = _problem(
    "bad_statistics_span", 90010, 400, "StartTime and EndTime are not a span of time", "Pass unix seconds, at most 30 days apart"
)
REPORT_TOO_MANY = _problem("report_too_many", 90014, 400, "There are too many task ids", "Ask for at most 500 at a time")
REPORT_NO_TASK = _problem("report_no_task", 90015, 400, "A task id is missing", "Pass the TaskId that answered the push")
TASK_UNKNOWN = _problem("task_unknown", 90016, 404, "There is no such push task", "Use the TaskId that answered the push")
REVOKE_UNKNOWN = _problem("revoke_unknown", 90049, 404, "There is no such push task to recall", "Use the TaskId that answered the push")
REVOKED_ALREADY = _problem("revoked_already", 90050, 409, "The push task was recalled already", "Nothing is left to do")
REVOKE_TOO_LATE = _problem("revoke_too_late", 90052, 403, "The push task is older than 24 hours", "Recall within 24 hours")
REVOKE_NEEDS_INFO = _problem(
    "revoke_needs_offline_push_info", 90053, 400, "OfflinePushInfo is missing", "Say what takes the place of the notifications"
)
PUSH_BODY_TOO_LONG = _problem("push_body_too_long", 90056, 413, "The push is longer than 10 KB", "Send less, or a link to the content")

# --- profiles (40xxx) ----------------------------------------------------------------------------
PROFILE_BAD_REQUEST = _problem(
    "profile_bad_request", 40001, 400, "A parameter of the profile command is wrong", "See the path in the detail"
)
PROFILE_ACCOUNT_UNKNOWN = _problem("profile_account_unknown", 40003, 404, "The account does not exist", "Import the account first")
PROFILE_INTERNAL = _problem(
    "profile_internal", 40006, 500, "The server failed inside", "Repeat the request; the operator finds the cause in the log"
)
PROFILE_TAG_UNKNOWN = _problem(
    "profile_tag_unknown",
    40009,
    400,
    "A profile has no such field",
    "Use a Tag_Profile_IM_ field of docs/reference/rest-api.md, or Tag_Profile_Custom_",
)
PROFILE_TOO_LONG = _problem("profile_too_long", 40601, 413, "The value of a profile field is too long", "Send at most 500 bytes")
PROFILE_BAD_VALUE = _problem(
    "profile_bad_value", 40605, 400, "The value of a profile field is not allowed", "Use one of the field's values"
)
PROFILE_BAD_FORMAT = _problem(
    "profile_bad_format",
    40610,
    400,
    "The value of a profile field has the wrong type",
    "Send a string or an integer, as the field wants it",
)

# --- friends and blacklists (30xxx) --------------------------------------------------------------
SNS_BAD_REQUEST = _problem("relation_bad_request", 30001, 400, "A parameter of the relation command is wrong", "See the path in the detail")
SNS_ACCOUNT_UNKNOWN = _problem("relation_account_unknown", 30003, 404, "The account does not exist", "Import the account first")
SNS_INTERNAL = _problem(
    "relation_internal", 30006, 500, "The server failed inside", "Repeat the request; the operator finds the cause in the log"
)
SNS_SENDER_FORBIDDEN = _problem(
    "relation_sender_forbidden", 30009, 403, "This account may not ask for friends", "Change its Tag_Profile_IM_AdminForbidType"
)
SNS_TOO_MANY_FRIENDS = _problem("relation_too_many_friends", 30010, 403, "The account has 3000 friends already", "Delete some first")
SNS_BLACKLIST_FULL = _problem("relation_blacklist_full", 30013, 403, "The blacklist has 1000 entries already", "Delete some first")
SNS_PEER_TOO_MANY_FRIENDS = _problem(
    "relation_peer_too_many_friends", 30014, 403, "The other account has 3000 friends already", "It has to delete some first"
)
SNS_IN_OWN_BLACKLIST = _problem(
    "relation_in_own_blacklist", 30515, 403, "The account is on the asking account's own blacklist", "Take it off the blacklist first"
)
SNS_PEER_DENIES = _problem(
    "relation_peer_denies", 30516, 403, "The other account takes no friends", "Send ForceAddFlags 1, or change its Tag_Profile_IM_AllowType"
)
SNS_IN_PEER_BLACKLIST = _problem(
    "relation_in_peer_blacklist", 30525, 403, "The asking account is on the other's blacklist", "The other account has to take it off first"
)
SNS_NEEDS_CONFIRMATION = _problem(
    "relation_needs_confirmation",
    30539,
    403,
    "The other account wants to confirm its friends",
    "Let it confirm in your app, then send ForceAddFlags 1",
)
SNS_NOT_FRIENDS = _problem("relation_not_friends", 31704, 404, "The account is no friend", "Nothing has to be deleted")

# --- groups (10xxx) ------------------------------------------------------------------------------
GROUP_INTERNAL = _problem("group_internal", 10002, 500, "The server failed inside", "Repeat the request; a message with the same Random")
GROUP_BAD_PARAMETER = _problem("group_bad_parameter", 10004, 400, "A parameter is illegal", "See the path in the detail")
GROUP_TOO_MANY = _problem("group_too_many_accounts", 10005, 400, "There are too many accounts in the request", "Split the request")
GROUP_DENIED = _problem("group_permission_denied", 10007, 403, "The group does not allow this", "See the detail")
GROUP_MESSAGE_REFUSED = _problem(
    "group_message_refused", 10016, 403, "The app's backend refused the message", "See the detail; the app decides this"
)
GROUP_OWNER_STAYS = _problem(
    "group_owner_stays", 10009, 403, "The owner cannot leave the group", "Give the group to another member first (change_group_owner)"
)
GROUP_NOT_FOUND = _problem("group_not_found", 10010, 404, "There is no such group, or it was dissolved", "Create it with create_group")
GROUP_BAD_JSON = _problem("group_bad_json", 10011, 400, "The request body is not valid JSON", "Send one UTF-8 JSON object")
GROUP_ALREADY_MEMBER = _problem("group_already_member", 10013, 409, "The account is a member already", "Nothing has to be done")
GROUP_FULL = _problem("group_full", 10014, 403, "The group is full", "Raise MaxMemberNum with modify_group_base_info")
GROUP_BAD_ID = _problem(
    "group_bad_id", 10015, 400, "The GroupId is illegal", "Use 1 to 48 printable ASCII characters that do not begin with @TGS#"
)
GROUP_MUTED = _problem("group_muted", 10017, 403, "The sender is muted in this group", "Wait for the end, or unmute with forbid_send_msg")
GROUP_ACCOUNT_UNKNOWN = _problem("group_account_unknown", 10019, 404, "An account does not exist", "Import the account first")
GROUP_ID_TAKEN = _problem("group_id_taken", 10021, 409, "The GroupId is in use", "Choose another GroupId")
GROUP_ID_OWNED = _problem("group_id_owned", 10025, 409, "The GroupId is in use by a group of the same owner", "Use that group")
GROUP_MSG_NOT_FOUND = _problem("group_message_not_found", 10030, 404, "The group has no such message", "Pass the MsgSeq of the answer")
GROUP_RECALL_TOO_LATE = _problem("group_recall_too_late", 10031, 403, "The recall window is over", "Recall earlier, or as an administrator")
GROUP_RECALL_DENIED = _problem("group_recall_denied", 10032, 403, "This message cannot be recalled by this account", "Recall one's own")

# --- the device API ------------------------------------------------------------------------------
SESSION_UNKNOWN = _problem("session_unknown", 6026, 401, "There is no such session", "Log in again with POST /v1/device/login")
SESSION_ENDED = _problem("session_ended", 6208, 401, "The session has ended", "Log in again with POST /v1/device/login")
FRAME_TOO_LARGE = _problem("frame_too_large", 8001, 413, "The frame is larger than 64 KiB", "Split the content or send a link")
FRAME_MALFORMED = _problem("frame_malformed", 6017, 400, "The frame is not valid", "See docs/reference/device-api.md")
TOKEN_TOO_LONG = _problem(
    "token_too_long", 6018, 413, "The push token is larger than 4 KB", "Report the token exactly as the vendor SDK gave it"
)
CERTIFICATE_UNKNOWN = _problem(
    "certificate_unknown",
    6019,
    404,
    "This app has no certificate with that business id",
    "Use the business_id that `homing cert add` printed for this app",
)
FLOOD = _problem("flood", 7008, 429, "Too many requests on this session", "Wait a second and send fewer at a time")
PUSH_UNKNOWN = _problem("push_unknown", 6021, 404, "This device has no such push", "Report the push_id that came with the notification")
MEDIA_OFF = _problem(
    "media_off", 6030, 404, "This server takes no uploads", "The operator sets media_dir: PostgreSQL has no folder of its own for it"
)
MEDIA_TOO_LARGE = _problem("media_too_large", 6031, 413, "The upload is larger than allowed", "Send less; the operator sets media_max_mb")
MEDIA_DAY_FULL = _problem(
    "media_day_full", 6032, 429, "The account has uploaded what it may in 24 hours", "Upload later; the operator sets media_daily_mb"
)
MEDIA_BUSY = _problem("media_busy", 6033, 429, "Too many uploads run at the same time", "Wait for one of them to end, then repeat this one")
MEDIA_UNKNOWN = _problem(
    "media_unknown", 6034, 404, "There is no such upload", "Ask for an upload with POST /v1/device/media, and use it within an hour"
)
MEDIA_DONE = _problem("media_done", 6035, 409, "The upload is complete already", "Use its url, or ask for another upload")
MEDIA_DIFFERS = _problem(
    "media_differs",
    6036,
    400,
    "The bytes are not those that were announced",
    "Send exactly the announced bytes; it can be repeated",
)
