"""The reference page of the command line is made from the commands."""

from __future__ import annotations

from homing.cli.reference import every_command, reference


def test_every_command_is_described() -> None:
    page = reference()
    for command in every_command():
        assert f"## homing {command.name}\n" in page
        assert not command.summary.endswith(".")
