"""The table of commands: one place that says what exists, under which names, and with which requests and answers."""

from __future__ import annotations

from typing import Any

from . import account_commands as accounts
from . import history_commands as history
from . import label_commands as labels
from . import message_commands as messages
from . import presence
from . import push_commands as pushes
from . import statistics_commands as statistics
from .answers import Answer
from .bodies import ACCOUNT_FAMILY, LABEL_FAMILY, MESSAGE_FAMILY, PUSH_FAMILY
from .command import MAX_MESSAGE_REQUEST_BYTES, Command, Run
from .disturb_commands import DISTURB_COMMANDS
from .group_table import GROUP_COMMANDS
from .relation_table import RELATION_COMMANDS


def _label(name: str, request: type[Any], run: Run, answer: type[Answer] = Answer) -> Command:
    """A command of tags or attributes: it has the same name in both push services, and had another service before."""
    return Command(
        f"timpush/{name}", request, run, LABEL_FAMILY, answer=answer, aliases=(f"all_member_push/im_{name}", f"openim/im_{name}")
    )


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
    Command(
        "all_member_push/im_push",
        pushes.ImPush,
        pushes.im_push,
        PUSH_FAMILY,
        answer=pushes.TaskAnswer,
        check_size=pushes.check_size,
        aliases=("openim/im_push",),
    ),
    Command("timpush/push", pushes.TimPush, pushes.push, PUSH_FAMILY, answer=pushes.TaskAnswer, check_size=pushes.check_size),
    Command("timpush/batch", pushes.TimPushBatch, pushes.batch, PUSH_FAMILY, answer=pushes.BatchTaskAnswer),
    Command("timpush/revoke", pushes.Revoke, pushes.revoke, PUSH_FAMILY, check_size=pushes.check_size),
    Command(
        "all_member_push/im_get_push_report",
        pushes.TaskIds,
        pushes.im_get_push_report,
        PUSH_FAMILY,
        answer=pushes.ReportAnswer,
        aliases=("openim/im_get_push_report",),
    ),
    Command(
        "timpush/normal_push_statistics",
        statistics.Span,
        statistics.normal_push_statistics,
        PUSH_FAMILY,
        answer=statistics.NormalAnswer,
    ),
    Command(
        "timpush/all_member_push_statistics",
        statistics.JobSpan,
        statistics.all_member_push_statistics,
        PUSH_FAMILY,
        answer=statistics.TasksAnswer,
    ),
    Command(
        "timpush/all_member_push_trace",
        statistics.JobTrace,
        statistics.all_member_push_trace,
        PUSH_FAMILY,
        answer=statistics.TraceAnswer,
    ),
    Command("timpush/normal_push_trace", statistics.MessageTrace, statistics.normal_push_trace, PUSH_FAMILY, answer=statistics.TraceAnswer),
    _label("set_attr_name", labels.SetAttrName, labels.set_attr_name),
    _label("get_attr_name", labels.Nothing, labels.get_attr_name, labels.AttrNamesAnswer),
    _label("set_attr", labels.SetAttr, labels.set_attr, labels.LabelsAnswer),
    _label("get_attr", labels.AccountList, labels.get_attr, labels.UserAttrsAnswer),
    _label("remove_attr", labels.RemoveAttr, labels.remove_attr, labels.LabelsAnswer),
    _label("add_tag", labels.AddTag, labels.add_tag, labels.LabelsAnswer),
    _label("get_tag", labels.AccountList, labels.get_tag, labels.UserTagsAnswer),
    _label("remove_tag", labels.RemoveTag, labels.remove_tag, labels.LabelsAnswer),
    _label("remove_all_tags", labels.AccountList, labels.remove_all_tags, labels.LabelsAnswer),
    *RELATION_COMMANDS,
    *GROUP_COMMANDS,
    *DISTURB_COMMANDS,
)

#: By URL path, aliases included.
ROUTES: dict[str, Command] = {f"/v4/{path}": command for command in COMMANDS for path in (command.path, *command.aliases)}
