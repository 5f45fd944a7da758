"""The reference page of the command line is made from the commands."""

from __future__ import annotations

from pathlib import Path

from homing.cli.reference import every_command, reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run `python -m homing.cli.reference > docs/reference/cli.md`"


def test_every_command_is_described() -> None:
    page = reference()
    for command in every_command():
        assert f"## homing {command.name}\n" in page
        assert not command.summary.endswith(".")
