"""A vendor's name stands in its own file and its simulator, nowhere else in the code: all others speak of channels.

Comments and docstrings may cite a vendor as the reason for a rule; names and strings may not.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "homing"
VENDORS = "fcm|firebase|apns|huawei|honor|xiaomi|oppo|vivo|meizu|tpns|webpush"
NAME = re.compile(rf"(?<![a-z])({VENDORS}|hua_wei|xiao_mi|mei_zu)(?![a-z])", re.IGNORECASE)
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # FcmChannel, OPPOQuota

#: Where vendors' names belong, and why.
ALLOWED = (
    re.compile(rf"channels/({VENDORS}|harmony)(_\w+)?\.py"),
    re.compile(r"channels/registry\.py"),  # the list of them
    re.compile(r"sandbox/"),  # the simulators and the phones
    re.compile(r"model/push_info\.py"),  # wire names of the original product
    re.compile(r"rules/offline_message\.py"),  # what each vendor hands to a tapped app
    re.compile(r"client/"),  # the same, in the SDK
    re.compile(r"demo/|cli/demo\w*\.py"),  # the story has phones with brands
    re.compile(r"cli/sandbox_command\.py"),  # --apns-listen is an option of the outside contract
    re.compile(r"cli/bench\w*\.py|bench/"),  # measures one protocol by name
)
#: The wire names of the original product carry vendors' names, wherever they are read: the sender's wishes, and its own
#: field for its own push service.
WISHES = frozenset(re.findall(r"\b[A-Z]\w+", (SOURCE / "model" / "push_info.py").read_text(encoding="utf-8")))
OWN_TOKEN = re.compile(r"is_?tpns_?token", re.IGNORECASE)
#: Words of command-line help: examples a person can type.
HELP_KEYWORDS = frozenset({"help", "examples", "details", "epilog"})


def main() -> int:
    """Print each misplaced name; the exit status is 1 when there is one."""
    found = [line for path in sorted(SOURCE.rglob("*.py")) if not _allowed(path) for line in misplaced(path)]
    print("\n".join(found) or "vendors' names: only where they belong")
    return 1 if found else 0


def misplaced(path: Path) -> Iterator[str]:
    """``file:line: name`` for each vendor's name in a file's names and strings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ignored = {id(node) for node in _prose(tree)}
    for node in ast.walk(tree):
        if id(node) in ignored:
            continue
        for text in set(_texts(node)) - WISHES:
            for match in NAME.finditer(CAMEL.sub("_", OWN_TOKEN.sub("", text))):
                yield f"{path}:{getattr(node, 'lineno', 1)}: {match[0]} in {text.strip()[:80]!r}"


def _allowed(path: Path) -> bool:
    relative = path.relative_to(SOURCE).as_posix()
    return any(pattern.match(relative) for pattern in ALLOWED)


def _prose(tree: ast.Module) -> Iterator[ast.AST]:
    """Strings that are read by people: docstrings and command-line help."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        elif isinstance(node, ast.keyword) and node.arg in HELP_KEYWORDS:
            yield from ast.walk(node.value)


def _texts(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.keyword(arg=str(name)):
            yield name
        case ast.ImportFrom(module=str(name)):
            yield name


if __name__ == "__main__":
    sys.exit(main())
