"""The page about the REST API names everything that there is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from homing.server.rest_v4.command import Command
from homing.server.rest_v4.commands import COMMANDS, ROUTES
from homing.server.rest_v4.elements import SHAPES

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "rest-api.md").read_text("utf-8")


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_every_url_is_on_the_page(path: str) -> None:
    assert f"`POST {path}`" in PAGE


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.path)
def test_every_field_of_a_request_is_on_the_page(command: Command) -> None:
    for field in msgspec.structs.fields(command.request):
        assert re.search(rf"\b{field.encode_name}\b", PAGE), field.encode_name


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_every_element_is_on_the_page(kind: str) -> None:
    assert f"`{kind}`" in PAGE
