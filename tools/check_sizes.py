"""One file, one idea: a module has at most 500 lines. Functions over 60 lines are reported, over 100 refused."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

MODULE_LINES = 500
LONG_FUNCTION_LINES = 60
FUNCTION_LINES = 100
MIGRATIONS = ("migrations", "versions")


def main() -> int:
    """Print what is too large; the exit status is 1 when something is over a hard limit."""
    refused = []
    for path in sorted([*Path("src").rglob("*.py"), *Path("tools").rglob("*.py")]):
        if path.parent.parts[-2:] == MIGRATIONS:
            continue  # a migration is a list of statements that nobody edits again
        source = path.read_text(encoding="utf-8")
        lines = source.count("\n")
        if lines > MODULE_LINES:
            refused.append(f"{path}: {lines} lines; split it ({MODULE_LINES} at most)")
        for name, line, length in long_functions(source):
            text = f"{path}:{line}: {name} has {length} lines"
            if length > FUNCTION_LINES:
                refused.append(f"{text}; split it ({FUNCTION_LINES} at most)")
            else:
                print(f"note: {text}")
    print("\n".join(refused) or "sizes: every module and function within its limit")
    return 1 if refused else 0


def long_functions(source: str) -> list[tuple[str, int, int]]:
    """Name, first line and length of every function that is longer than it should be."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    measured = [(node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1) for node in functions]
    return [entry for entry in measured if entry[2] > LONG_FUNCTION_LINES]


if __name__ == "__main__":
    sys.exit(main())
