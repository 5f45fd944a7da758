"""The table of commands: one place that says what exists, under which names, and with which requests and answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from . import account_commands as accounts
from . import history_commands as history
from . import message_commands as messages
from . import presence
from .answers import Answer
from .bodies import ACCOUNT_FAMILY, MESSAGE_FAMILY, BodyDecoder, Family
from .gate import Call

MAX_BODY_BYTES = 1024 * 1024
#: 12 KB of message, and room for its receiver and its offline push info.
MAX_MESSAGE_REQUEST_BYTES = 64 * 1024

Run = Callable[[Call, Any], Awaitable[Answer]]


class Command:
    """One command: its path, the types of its body and answer, and what it does."""

    def __init__(
        self,
        path: str,
        request: type[Any],
        run: Run,
        family: Family,
        *,
        answer: type[Answer] = Answer,
        max_body_bytes: int = MAX_BODY_BYTES,
        check_size: Callable[[Any, int], None] | None = None,
        aliases: tuple[str, ...] = (),
    ) -> None:
        self.path = path  # "service/command"
        self.request = request
        self.run = run
        self.family = family
        self.answer = answer
        self.max_body_bytes = max_body_bytes
        self.check_size = check_size  # of the request, and of the body in bytes
        self.aliases = aliases
        self.decoder: BodyDecoder[Any] = BodyDecoder(request, family)

    @property
    def summary(self) -> str:
        """The first line of what it does."""
        return (self.run.__doc__ or "").strip().splitlines()[0]


COMMANDS: tuple[Command, ...] = (
    Command("im_open_login_svc/account_import", accounts.AccountImport, accounts.account_import, ACCOUNT_FAMILY),
    Command(
        "im_open_login_svc/multiaccount_import",
        accounts.MultiAccountImport,
        accounts.multiaccount_import,
        ACCOUNT_FAMILY,
        answer=accounts.ImportAnswer,
    ),
    Command(
        "im_open_login_svc/account_delete", accounts.AccountDelete, accounts.account_delete, ACCOUNT_FAMILY, answer=accounts.ResultAnswer
    ),
    Command("im_open_login_svc/account_check", accounts.AccountCheck, accounts.account_check, ACCOUNT_FAMILY, answer=accounts.ResultAnswer),
    Command("im_open_login_svc/kick", accounts.Kick, accounts.kick, ACCOUNT_FAMILY),
    Command(
        "openim/query_online_status",
        presence.QueryOnlineStatus,
        presence.query_online_status,
        MESSAGE_FAMILY,
        answer=presence.OnlineAnswer,
        aliases=("openim/queryonlinestatus",),
    ),
    Command("openim/querystate", presence.QueryOnlineStatus, presence.query_state, MESSAGE_FAMILY, answer=presence.StateAnswer),
    Command(
        "openim/sendmsg",
        messages.SendMsg,
        messages.sendmsg,
        MESSAGE_FAMILY,
        answer=messages.SendAnswer,
        max_body_bytes=MAX_MESSAGE_REQUEST_BYTES,
        check_size=messages.check_size,
    ),
    Command(
        "openim/batchsendmsg",
        messages.BatchSendMsg,
        messages.batchsendmsg,
        MESSAGE_FAMILY,
        answer=messages.BatchAnswer,
        check_size=messages.check_size,
    ),
    Command(
        "openim/importmsg",
        messages.ImportMsg,
        messages.importmsg,
        MESSAGE_FAMILY,
        answer=messages.SendAnswer,
        max_body_bytes=MAX_MESSAGE_REQUEST_BYTES,
        check_size=messages.check_size,
    ),
    Command("openim/admin_msgwithdraw", history.Withdraw, history.admin_msgwithdraw, MESSAGE_FAMILY),
    Command("openim/admin_set_msg_read", history.SetRead, history.admin_set_msg_read, MESSAGE_FAMILY),
    Command(
        "openim/get_c2c_unread_msg_num",
        history.UnreadQuery,
        history.get_c2c_unread_msg_num,
        MESSAGE_FAMILY,
        answer=history.UnreadAnswer,
        aliases=("openim/getc2cunreadmsgnum",),
    ),
    Command("openim/admin_getroammsg", history.Roam, history.admin_getroammsg, MESSAGE_FAMILY, answer=history.RoamAnswer),
)

#: By URL path, aliases included.
ROUTES: dict[str, Command] = {f"/v4/{path}": command for command in COMMANDS for path in (command.path, *command.aliases)}
