"""What must agree across files: locks with pyproject, documents with the Makefile, versions, dependencies with their page."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOCKS = {"requirements.lock": False, "requirements-dev.lock": True}  # with the dev group?
READMES = ("README.md", "README.zh-CN.md")
DEPENDENCY_PAGE = "docs/explanation/dependencies.md"


def main() -> int:
    """Print each disagreement; the exit status is 1 when there is one."""
    project = tomllib.loads(_read("pyproject.toml"))
    wrong = [*_version(project), *_locks(project), *_dependency_page(project), *_commands(), *_help_pages(), *_migrations()]
    print("\n".join(wrong) or "repository: versions, locks, documents and migrations agree")
    return 1 if wrong else 0


def _read(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _named(requirements: list[str]) -> list[str]:
    return [_normal(re.split(r"[^A-Za-z0-9._-]", requirement)[0]) for requirement in requirements]


def _version(project: dict[str, Any]) -> Iterator[str]:
    version = project["project"]["version"]
    if f'__version__ = "{version}"' not in _read("src/homing/__init__.py"):
        yield f"src/homing/__init__.py: __version__ is not pyproject's {version}"
    if f"## {version}" not in _read("CHANGELOG.md") and "## Unreleased" not in _read("CHANGELOG.md"):
        yield f"CHANGELOG.md: there is neither a section {version} nor Unreleased"


def _locks(project: dict[str, Any]) -> Iterator[str]:
    pins: dict[str, dict[str, str]] = {}
    for lock, with_dev in LOCKS.items():
        text = _read(lock)
        pins[lock] = {_normal(name): version for name, version in re.findall(r"(?m)^([A-Za-z0-9._-]+)==(\S+)", text)}
        wanted = project["project"]["dependencies"] + (project["dependency-groups"]["dev"] if with_dev else [])
        yield from (f"{lock}: {name} of pyproject.toml is missing; run `make lock`" for name in _named(wanted) if name not in pins[lock])
        if "://" in text:
            yield f"{lock}: a lock names no host; where packages come from is the machine's choice"
        if re.search(r"(?m)^\S+==\S+[^\\\n]*$", text):
            yield f"{lock}: a version has no hash; run `make lock`"
    runtime, development = (pins[lock] for lock in LOCKS)
    yield from (
        f"requirements-dev.lock: {name} is {development.get(name)}, but {version} in requirements.lock; run `make lock`"
        for name, version in runtime.items()
        if development.get(name) != version
    )


def _dependency_page(project: dict[str, Any]) -> Iterator[str]:
    page = _read(DEPENDENCY_PAGE)
    names = _named(project["project"]["dependencies"] + project["dependency-groups"]["dev"])
    yield from (f"{DEPENDENCY_PAGE}: {name} is not explained" for name in names if f"`{name}`" not in page)
    explained = re.findall(r"(?m)^\| `([^`]+)` \|", page)
    yield from (f"{DEPENDENCY_PAGE}: {name} is explained but not a dependency" for name in explained if name not in names)


def _commands() -> Iterator[str]:
    targets = set(re.findall(r"(?m)^([a-z-]+):", _read("Makefile")))
    for page in [*map(Path, (*READMES, "CONTRIBUTING.md")), *sorted(Path("docs").rglob("*.md"))]:
        # Only what is set as code: prose may make what it likes.
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            if target not in targets:
                yield f"{page}: `make {target}` is not in the Makefile"


def _help_pages() -> Iterator[str]:
    """Pages that the program sends people to exist, with the anchor."""
    for path in sorted(Path("src").rglob("*.py")):
        for page in re.findall(r"docs/[a-z0-9/-]+\.md", _read(str(path))):
            if not Path(page).exists():
                yield f"{path}: {page} does not exist"


def _migrations() -> Iterator[str]:
    """Each revision follows the one before: one line, one head, so that an upgrade has one way."""
    before = None
    newest = ""
    for path in sorted(Path("src/homing/store/migrations/versions").glob("[0-9]*.py")):
        text = path.read_text(encoding="utf-8")
        found = re.search(r'(?m)^revision\b[^=]*= "([^"]+)"', text)
        follows = re.search(r'(?m)^down_revision\b[^=]*= (?:"([^"]+)"|None)', text)
        newest = found[1] if found else ""
        if not path.name.startswith(f"{newest}_"):
            yield f"{path}: the file's name must begin with its revision"
        if follows is None or follows[1] != before:
            yield f"{path}: down_revision must be {before!r}, the migration before it"
        before = newest
    if newest and f'HEAD = "{newest}"' not in _read("src/homing/store/migrate.py"):
        yield f"src/homing/store/migrate.py: HEAD is not {newest}, the newest migration"


if __name__ == "__main__":
    sys.exit(main())
