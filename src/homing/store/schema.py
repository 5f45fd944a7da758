"""The tables, declared once for both engines (SQLAlchemy Core). Migrations live in ``migrations/``.

Times are milliseconds since 1970 (``*_ms``) or unix seconds (``*_at``, where the original product uses seconds).
Every table that belongs to a tenant starts its keys with ``sdkappid``.
"""

from __future__ import annotations

import sqlalchemy as sa

from . import schema_administration, schema_groups, schema_media
from .schema_base import Big, Blob, Text, metadata
from .schema_base import col as _col
from .schema_base import index as _index

__all__ = ["metadata", "schema_administration", "schema_groups", "schema_media"]

app = sa.Table(
    "app",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("name", Text),
    _col("secret_key_sealed", Blob),
    _col("admins", Text),  # JSON array
    _col("settings", Text),  # JSON of AppSettings
    _col("created_at_ms"),
)

account = sa.Table(
    "account",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("user_id", Text, primary_key=True),
    _col("nick", Text, server_default=""),
    _col("face_url", Text, server_default=""),
    _col("valid_from", Big, server_default="0"),
    _col("unread_total", Big, server_default="0"),
    _col("inbox_seq", Big, server_default="0"),
    _col("created_at_ms"),
    _col("portrait", Text, server_default=""),  # JSON of the profile beside nick and face URL
    _col("filters", Big, server_default="0"),  # InboxFilter: which of the tables below have rows of this account
    sqlite_with_rowid=False,
)

friend = sa.Table(
    "friend",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("user_id", Text, primary_key=True),
    _col("friend", Text, primary_key=True),
    _col("details", Text),  # JSON of FriendDetails
    _col("added_at"),
    sqlite_with_rowid=False,
)
_index("friend_of", friend.c.sdkappid, friend.c.friend)

#: Whom an account takes nothing from.
blacklist = sa.Table(
    "blacklist",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("user_id", Text, primary_key=True),
    _col("blocked", Text, primary_key=True),
    _col("added_at"),
    sqlite_with_rowid=False,
)
_index("blacklist_of", blacklist.c.sdkappid, blacklist.c.blocked)

#: What an account wants of one conversation; one that it left at "receive and notify" has no row.
receive_option = sa.Table(
    "receive_option",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("user_id", Text, primary_key=True),
    _col("conversation", Text, primary_key=True),  # "c2c_{peer}" or "group_{group id}"
    _col("option"),  # ReceiveOption
    _col("passes_quiet", Big, server_default="0"),  # 1: notifies in the account's do-not-disturb window too
    sqlite_with_rowid=False,
)

#: An account's do-not-disturb window.
quiet_hours = sa.Table(
    "quiet_hours",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("user_id", Text, primary_key=True),
    _col("rule", Text),  # JSON of QuietHours
    sqlite_with_rowid=False,
)

device = sa.Table(
    "device",
    metadata,
    _col("device_id", Big, primary_key=True, autoincrement=False),
    _col("sdkappid"),
    _col("user_id", Text),
    _col("platform", Text),
    _col("instance_id", Text),
    _col("session_state", Text),
    _col("session_id", Big),
    _col("session_hash", Blob, nullable=True),  # SHA-256 of the session token
    _col("login_at_ms"),
    _col("ended_at_ms", Big, server_default="0"),
    _col("expires_at_ms"),
    _col("last_seen_ms"),
    _col("app_state", Text),
    _col("node_id", Big, nullable=True),
    _col("connection_id", Big, server_default="0"),
    _col("business_id", Big, nullable=True),
    _col("token", Text, nullable=True),
    _col("token_at_ms", Big, server_default="0"),
    _col("is_tpns_token", Big, server_default="0"),
    _col("language", Text, server_default=""),
    _col("synced_seq", Big, server_default="0"),  # highest inbox place that the device acknowledged
)
_index("device_installation", device.c.sdkappid, device.c.user_id, device.c.platform, device.c.instance_id, unique=True)
# Promise 5: one physical token belongs to one account.
_index("device_token", device.c.sdkappid, device.c.business_id, device.c.token, unique=True, where=device.c.token.is_not(None))
_index("device_session", device.c.session_hash, unique=True, where=device.c.session_hash.is_not(None))
_index("device_node", device.c.node_id, where=device.c.node_id.is_not(None))

#: The tokens that a device reported beside its first one, tried in this order when a vendor calls the one before dead.
fallback_token = sa.Table(
    "fallback_token",
    metadata,
    _col("device_id", Big, primary_key=True, autoincrement=False),
    _col("rank", Big, primary_key=True, autoincrement=False),
    _col("sdkappid"),
    _col("business_id"),
    _col("token", Text),
)
_index("fallback_token_value", fallback_token.c.sdkappid, fallback_token.c.business_id, fallback_token.c.token)

#: The token that a device reported for calls alone, beside its own one.
voip_token = sa.Table(
    "voip_token",
    metadata,
    _col("device_id", Big, primary_key=True, autoincrement=False),
    _col("sdkappid"),
    _col("user_id", Text),
    _col("business_id"),
    _col("token", Text),
)
_index("voip_token_value", voip_token.c.sdkappid, voip_token.c.business_id, voip_token.c.token)

#: What happened to a device, for the explanation: login, logout, kicked, token_reported, token_moved, token_removed ...
device_event = sa.Table(
    "device_event",
    metadata,
    _col("event_id", Big, primary_key=True, autoincrement=False),
    _col("sdkappid"),
    _col("user_id", Text),
    _col("device_id"),
    _col("at_ms"),
    _col("kind", Text),
    _col("detail", Text, server_default=""),
)
_index("device_event_account", device_event.c.sdkappid, device_event.c.user_id, device_event.c.event_id)

certificate = sa.Table(
    "certificate",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("business_id", Big, primary_key=True, autoincrement=False),
    _col("channel", Text),
    _col("name", Text),
    _col("credentials_sealed", Blob),
    _col("options", Text),  # JSON
    _col("version"),
    _col("paused_reason", Text, server_default=""),
    _col("receipt_path", Text),
    _col("created_at_ms"),
    _col("updated_at_ms"),
)
_index("certificate_receipt", certificate.c.receipt_path, unique=True)

message = sa.Table(
    "message",
    metadata,
    _col("message_id", Big, primary_key=True, autoincrement=False),
    _col("sdkappid"),
    _col("conversation", Text),  # conversation_of(from, to)
    _col("from_account", Text),
    _col("to_account", Text),
    _col("seq"),
    _col("random"),
    _col("timestamp"),
    _col("content_crc"),
    _col("flags"),
    _col("body", Blob),
    _col("push_info", Blob, nullable=True),
    _col("cloud_custom_data", Text, server_default=""),
    _col("to_seq", Big, nullable=True),
    _col("from_seq", Big, nullable=True),
    _col("expires_at_ms"),
    _col("revoked_at_ms", Big, server_default="0"),
)
_index("message_inbox", message.c.sdkappid, message.c.to_account, message.c.to_seq, unique=True, where=message.c.to_seq.is_not(None))
_index("message_outbox", message.c.sdkappid, message.c.from_account, message.c.from_seq, unique=True, where=message.c.from_seq.is_not(None))
_index("message_conversation", message.c.sdkappid, message.c.conversation, message.c.timestamp, message.c.message_id)
# Serves the 120-second deduplication and the look-up of a MsgKey. Callers count their MsgSeq up, so new entries share a page.
_index("message_key", message.c.sdkappid, message.c.seq, message.c.random)

conversation = sa.Table(
    "conversation",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("user_id", Text, primary_key=True),
    _col("peer", Text, primary_key=True),
    _col("unread", Big, server_default="0"),
    _col("read_at", Big, server_default="0"),  # unix seconds: everything up to then is read
    _col("last_message_id", Big, server_default="0"),
    sqlite_with_rowid=False,
)

push = sa.Table(
    "push",
    metadata,
    _col("push_id", Big, primary_key=True, autoincrement=False),
    _col("sdkappid"),
    _col("message_id"),
    _col("user_id", Text),
    _col("device_id"),
    _col("state"),
    _col("reason", Text),
    _col("inputs", Text),
    _col("business_id", Big, server_default="0"),
    _col("channel", Text, server_default=""),
    _col("notification_class", Text, server_default="private"),
    _col("token", Text, server_default=""),
    _col("badge", Big, nullable=True),
    _col("attempts", Big, server_default="0"),
    # When it is next to be looked at: the end of the acknowledgement time, a retry, or the end of the claim's lease.
    _col("due_at_ms", Big, server_default="0"),
    _col("expires_at_ms", Big, server_default="0"),
    _col("owner", Big, nullable=True),  # node that claimed it
    _col("replaces", Text, server_default=""),  # conversation whose earlier notifications on this device it replaces
    _col("created_at_ms"),
    _col("finished_at_ms", Big, server_default="0"),  # accepted, failed, suppressed ...
    _col("vendor_message_id", Text, server_default=""),
    _col("delivered_at_ms", Big, server_default="0"),
    _col("shown_at_ms", Big, server_default="0"),
    _col("clicked_at_ms", Big, server_default="0"),
    _col("kind", Text, server_default=""),  # PushKind
)
_live = push.c.state < 10
_index("push_due", push.c.sdkappid, push.c.business_id, push.c.notification_class, push.c.due_at_ms, where=_live)
_index("push_live_device", push.c.device_id, where=_live)
_index("push_message", push.c.message_id)
_index("push_account", push.c.sdkappid, push.c.user_id, push.c.push_id)
#: Dead letters: what failed or expired, newest last.
_index("push_dead", push.c.sdkappid, push.c.state, push.c.push_id, where=push.c.state.between(13, 14))

#: Dead letters that somebody had tried again: when last, and how many attempts had been made before.
push_retry = sa.Table(
    "push_retry",
    metadata,
    _col("push_id", Big, primary_key=True, autoincrement=False),
    _col("at_ms"),
    _col("attempts"),
    _col("was", Text),  # reason for which it had ended
)

attempt = sa.Table(
    "attempt",
    metadata,
    _col("push_id", Big, primary_key=True, autoincrement=False),
    _col("number", Big, primary_key=True, autoincrement=False),
    _col("at_ms"),
    _col("latency_ms"),
    _col("outcome", Text),
    _col("code", Text),
    _col("detail", Text),
    _col("request", Text),
    _col("answer", Text),
)

receipt = sa.Table(
    "receipt",
    metadata,
    _col("push_id", Big, primary_key=True, autoincrement=False),
    _col("kind", Text, primary_key=True),
    _col("at_ms"),
    _col("source", Text),  # "vendor" or "device"
    _col("code", Text, server_default=""),
    _col("detail", Text, server_default=""),
    sqlite_with_rowid=False,
)

#: Vendor log-in grants: one signer per key for the whole cluster.
vendor_grant = sa.Table(
    "vendor_grant",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("business_id", Big, primary_key=True, autoincrement=False),
    _col("certificate_version"),
    _col("token_sealed", Blob),
    _col("issued_at_ms"),
    _col("expires_at_ms"),
)

#: Up to when a certificate's rate limit is given away, in microseconds since 1970 of the database's clock.
rate_budget = sa.Table(
    "rate_budget",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("business_id", Big, primary_key=True, autoincrement=False),
    _col("reserved_until_us"),
)

#: Accepted pushes per certificate, class and vendor day; and the stop that a spent quota ordered.
quota = sa.Table(
    "quota",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("business_id", Big, primary_key=True, autoincrement=False),
    _col("notification_class", Text, primary_key=True),
    _col("day", Text, primary_key=True),  # the vendor's calendar day, YYYY-MM-DD
    _col("accepted", Big, server_default="0"),
    _col("stopped_until_ms", Big, server_default="0"),
)

node = sa.Table(
    "node",
    metadata,
    _col("node_id", Big, primary_key=True, autoincrement=False),
    _col("boot", Text),  # random, tells two lives of one number apart
    _col("started_at_ms"),
    _col("lease_until_ms"),
)

#: What an account is marked with: a tag (``name``), or an attribute (``name``, ``value``). Pushes to many choose by these.
account_label = sa.Table(
    "account_label",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("kind", Text, primary_key=True),  # "tag" or "attribute"
    _col("name", Text, primary_key=True),
    _col("value", Text, primary_key=True),
    _col("user_id", Text, primary_key=True),
    sqlite_with_rowid=False,
)
_index("account_label_account", account_label.c.sdkappid, account_label.c.user_id, account_label.c.kind, account_label.c.name)

#: The names of an app's attributes, numbered 0 to 9.
attribute_name = sa.Table(
    "attribute_name",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("number", Big, primary_key=True, autoincrement=False),
    _col("name", Text),
    _col("account_type", Big, server_default="0"),
)

#: A push to many. Its content is the row of ``message`` with the same number; who gets it is walked page by page.
push_job = sa.Table(
    "push_job",
    metadata,
    _col("job_id", Big, primary_key=True, autoincrement=False),
    _col("sdkappid"),
    _col("kind", Text),  # "push": bundles; "message": a stored message for each account
    _col("source", Text),  # "all" or "batch"
    _col("state"),
    _col("from_account", Text),
    _col("random"),
    _col("fingerprint"),  # of the request, to tell a repeat from another push with the same random
    _col("condition", Text),  # JSON of Condition
    _col("cursor", Text, server_default=""),  # the account up to which the audience was walked
    _col("walked", Big, server_default="0"),  # 1: to its end
    _col("per_second", Big, server_default="0"),  # accounts a second; 0: no limit
    _col("data_id", Text, server_default=""),
    _col("replaces_job", Big, server_default="0"),  # the recalled push whose notifications this one takes the place of
    _col("created_at_ms"),
    _col("started_at_ms", Big, server_default="0"),
    _col("finished_at_ms", Big, server_default="0"),
    _col("expires_at_ms"),
    _col("owner", Big, nullable=True),  # who walks it
    _col("lease_until_ms", Big, server_default="0"),
    # Counters: accounts walked; devices by what became of them.
    _col("accounts", Big, server_default="0"),
    _col("targets", Big, server_default="0"),
    _col("suppressed", Big, server_default="0"),
    _col("on_sockets", Big, server_default="0"),
    _col("sent", Big, server_default="0"),
    _col("failed", Big, server_default="0"),
    _col("ended", Big, server_default="0"),  # expired or recalled before they were sent
)
_index("push_job_app", push_job.c.sdkappid, push_job.c.job_id)
_index("push_job_random", push_job.c.sdkappid, push_job.c.random)
_index("push_job_live", push_job.c.job_id, where=push_job.c.state < 10)

#: Targets of a push to many that share a notification: ``count`` pushes with the numbers from ``bundle_id`` on.
push_bundle = sa.Table(
    "push_bundle",
    metadata,
    _col("bundle_id", Big, primary_key=True, autoincrement=False),
    _col("sdkappid"),
    _col("job_id"),
    _col("business_id"),
    _col("channel", Text),
    _col("platform", Text),
    _col("language", Text),
    _col("page", Text),  # the last account of the page that it was cut from
    _col("count"),
    _col("targets", Blob),  # msgpack: devices as they were at the decision
    _col("state"),  # as in push
    _col("reason", Text),
    _col("exceptions", Blob, nullable=True),  # msgpack: targets that ended otherwise than the bundle
    _col("attempts", Big, server_default="0"),
    _col("vendor_message_id", Text, server_default=""),
    _col("due_at_ms", Big, server_default="0"),
    _col("owner", Big, nullable=True),
    _col("created_at_ms"),
    _col("finished_at_ms", Big, server_default="0"),
)
_unsent = push_bundle.c.state < 10
_index("push_bundle_due", push_bundle.c.sdkappid, push_bundle.c.business_id, push_bundle.c.due_at_ms, where=_unsent)
_index("push_bundle_live", push_bundle.c.job_id, where=_unsent)
_index("push_bundle_page", push_bundle.c.job_id, push_bundle.c.page)

#: Pushes a day (UTC), kind and channel: decided, taken by the vendor, delivered, clicked.
push_day = sa.Table(
    "push_day",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("day", Text, primary_key=True),
    _col("kind", Text, primary_key=True),  # "c2c", "group" or "task"
    _col("channel", Text, primary_key=True),
    _col("total", Big, server_default="0"),
    _col("sent", Big, server_default="0"),
    _col("delivered", Big, server_default="0"),
    _col("clicked", Big, server_default="0"),
)
