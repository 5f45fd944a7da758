"""The commands of groups, as rows of the table of commands."""

from __future__ import annotations

from homing.model.problems import GROUP_BAD_JSON, GROUP_BAD_PARAMETER, GROUP_INTERNAL

from . import group_commands as groups
from . import group_member_commands as members
from . import group_message_commands as messages
from .bodies import Family
from .command import MAX_MESSAGE_REQUEST_BYTES, Command

SERVICE = "group_open_http_svc/"
GROUP_FAMILY = Family(GROUP_BAD_JSON, GROUP_BAD_PARAMETER, GROUP_INTERNAL)

GROUP_COMMANDS: tuple[Command, ...] = (
    Command(SERVICE + "create_group", groups.CreateGroup, groups.create_group, GROUP_FAMILY, answer=groups.CreateAnswer),
    Command(SERVICE + "import_group", groups.ImportGroup, groups.import_group, GROUP_FAMILY, answer=groups.CreateAnswer),
    Command(SERVICE + "get_group_info", groups.GetGroups, groups.get_group_info, GROUP_FAMILY, answer=groups.GroupsAnswer),
    Command(SERVICE + "get_joined_group_list", groups.GetJoined, groups.get_joined_group_list, GROUP_FAMILY, answer=groups.JoinedAnswer),
    Command(SERVICE + "get_appid_group_list", groups.ListGroups, groups.get_appid_group_list, GROUP_FAMILY, answer=groups.ListAnswer),
    Command(SERVICE + "modify_group_base_info", groups.ModifyGroup, groups.modify_group_base_info, GROUP_FAMILY),
    Command(SERVICE + "change_group_owner", groups.ChangeOwner, groups.change_group_owner, GROUP_FAMILY),
    Command(SERVICE + "destroy_group", groups.GroupRef, groups.destroy_group, GROUP_FAMILY),
    Command(SERVICE + "send_group_system_notification", groups.Notify, groups.send_group_system_notification, GROUP_FAMILY),
    Command(
        SERVICE + "get_online_member_num", groups.GroupRef, groups.get_online_member_num, GROUP_FAMILY, answer=groups.OnlineNumberAnswer
    ),
    Command(SERVICE + "add_group_member", members.AddMembers, members.add_group_member, GROUP_FAMILY, answer=members.AddAnswer),
    Command(SERVICE + "import_group_member", members.AddMembers, members.import_group_member, GROUP_FAMILY, answer=members.AddAnswer),
    Command(SERVICE + "delete_group_member", members.DeleteMembers, members.delete_group_member, GROUP_FAMILY),
    Command(
        SERVICE + "get_group_member_info", members.GetMembers, members.get_group_member_info, GROUP_FAMILY, answer=members.MembersAnswer
    ),
    Command(
        SERVICE + "get_specified_group_member_info",
        members.GetNamedMembers,
        members.get_specified_group_member_info,
        GROUP_FAMILY,
        answer=members.NamedMembersAnswer,
    ),
    Command(SERVICE + "get_role_in_group", members.GetRoles, members.get_role_in_group, GROUP_FAMILY, answer=members.RolesAnswer),
    Command(SERVICE + "modify_group_member_info", members.ModifyMember, members.modify_group_member_info, GROUP_FAMILY),
    Command(SERVICE + "forbid_send_msg", members.ForbidSending, members.forbid_send_msg, GROUP_FAMILY),
    Command(
        SERVICE + "get_group_muted_account", members.GroupRef, members.get_group_muted_account, GROUP_FAMILY, answer=members.MutedAnswer
    ),
    Command(SERVICE + "get_group_shutted_uin", members.GroupRef, members.get_group_shutted_uin, GROUP_FAMILY, answer=members.ShuttedAnswer),
    Command(
        SERVICE + "send_group_msg",
        messages.SendGroupMsg,
        messages.send_group_msg,
        GROUP_FAMILY,
        answer=messages.SendAnswer,
        max_body_bytes=MAX_MESSAGE_REQUEST_BYTES,
    ),
    Command(SERVICE + "import_group_msg", messages.ImportGroupMsg, messages.import_group_msg, GROUP_FAMILY, answer=messages.ImportAnswer),
    Command(SERVICE + "group_msg_recall", messages.RecallGroupMsg, messages.group_msg_recall, GROUP_FAMILY, answer=messages.RecallAnswer),
    Command(
        SERVICE + "group_msg_get_simple", messages.GetSimple, messages.group_msg_get_simple, GROUP_FAMILY, answer=messages.SimpleAnswer
    ),
    Command(SERVICE + "set_unread_msg_num", messages.SetUnread, messages.set_unread_msg_num, GROUP_FAMILY),
    Command(SERVICE + "delete_group_msg_by_sender", messages.OfSender, messages.delete_group_msg_by_sender, GROUP_FAMILY),
)
