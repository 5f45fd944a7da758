"""The pages that are made from the code say what the code says."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from homing import config
from homing.channels.registry import CHANNELS
from homing.model import problems
from homing.model.outcome import OutcomeKind
from homing.model.problems import Problem
from homing.model.push import Reason
from homing.rules.decision import TABLE

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PROBLEMS = [value for value in vars(problems).values() if isinstance(value, Problem)]


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = _tool("generate_docs")


def _anchors(page: Path) -> Iterator[str]:
    for heading in re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8")):
        yield re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")


@pytest.mark.parametrize("name", GENERATOR.PAGES)
def test_a_page_made_from_the_code_is_current(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == GENERATOR.rendered(name), "run `make generate` and commit the page"


def test_every_row_of_the_decision_table_is_published_in_both_languages() -> None:
    page = (REFERENCE / "decision-table.md").read_text(encoding="utf-8")
    assert [row.state_en for row in TABLE if row.state_en not in page or row.state_zh not in page] == []


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_the_help_link_of_every_error_leads_to_its_own_heading(problem: Problem) -> None:
    page, _, anchor = problem.help.partition("#")
    assert anchor in set(_anchors(ROOT / page))


def test_error_names_are_unique() -> None:
    names = [problem.name for problem in PROBLEMS]
    assert sorted(names) == sorted(set(names))


def test_every_reason_and_every_outcome_is_explained() -> None:
    page = (REFERENCE / "outcomes.md").read_text(encoding="utf-8")
    assert [word for word in [*Reason, *OutcomeKind] if f"| `{word}` |" not in page] == []


def test_every_certificate_field_and_every_configuration_key_is_listed() -> None:
    channels = (REFERENCE / "channels.md").read_text(encoding="utf-8")
    assert [name for name in CHANNELS if f"`{name}`" not in channels] == []
    page = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    assert [key for key in config.KEYS if f"| `{key}` |" not in page] == []


def test_a_cell_of_a_table_cannot_break_it() -> None:
    assert GENERATOR.table(["a"], [["x|y\nz"]]).splitlines()[-1] == "| x\\|y z |"
