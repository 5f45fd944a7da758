"""The rows of the table of commands for profiles, friends and blacklists."""

from __future__ import annotations

from homing.model.problems import PROFILE_BAD_REQUEST, PROFILE_INTERNAL, SNS_BAD_REQUEST, SNS_INTERNAL

from . import blacklist_commands as black
from . import friend_commands as friends
from . import profile_commands as profiles
from .bodies import Family
from .command import Command
from .relation_answers import DisplayAnswer, RelationAnswer

PROFILE_FAMILY = Family(PROFILE_BAD_REQUEST, PROFILE_BAD_REQUEST, PROFILE_INTERNAL)
SNS_FAMILY = Family(SNS_BAD_REQUEST, SNS_BAD_REQUEST, SNS_INTERNAL)

RELATION_COMMANDS: tuple[Command, ...] = (
    Command("profile/portrait_set", profiles.PortraitSet, profiles.portrait_set, PROFILE_FAMILY, answer=DisplayAnswer),
    Command("profile/portrait_get", profiles.PortraitGet, profiles.portrait_get, PROFILE_FAMILY, answer=profiles.ProfileAnswer),
    Command("sns/friend_add", friends.FriendAdd, friends.friend_add, SNS_FAMILY, answer=RelationAnswer),
    Command("sns/friend_import", friends.FriendImport, friends.friend_import, SNS_FAMILY, answer=RelationAnswer),
    Command("sns/friend_update", friends.FriendUpdate, friends.friend_update, SNS_FAMILY, answer=RelationAnswer),
    Command("sns/friend_delete", friends.FriendDelete, friends.friend_delete, SNS_FAMILY, answer=RelationAnswer),
    Command("sns/friend_delete_all", friends.FriendDeleteAll, friends.friend_delete_all, SNS_FAMILY, answer=DisplayAnswer),
    Command("sns/friend_check", friends.FriendCheck, friends.friend_check, SNS_FAMILY, answer=friends.CheckAnswer),
    Command("sns/friend_get", friends.FriendGet, friends.friend_get, SNS_FAMILY, answer=friends.FriendsAnswer),
    Command("sns/friend_get_list", friends.FriendGetList, friends.friend_get_list, SNS_FAMILY, answer=friends.FriendListAnswer),
    Command("sns/black_list_add", black.BlackList, black.black_list_add, SNS_FAMILY, answer=RelationAnswer),
    Command("sns/black_list_delete", black.BlackList, black.black_list_delete, SNS_FAMILY, answer=RelationAnswer),
    Command("sns/black_list_get", black.BlackListGet, black.black_list_get, SNS_FAMILY, answer=black.BlackListAnswer),
    Command("sns/black_list_check", black.BlackListCheck, black.black_list_check, SNS_FAMILY, answer=black.BlackListCheckAnswer),
)
