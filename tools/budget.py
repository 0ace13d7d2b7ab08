"""Counts the lines of code of each room of `src/toril` against `tools/budget.toml`.

    python -m tools.budget             fails if a room has more lines than its budget
    python -m tools.budget --write     lowers each budget to what its room has; only a person raises one

A line of code is one that has more than blanks, comments, docstrings and imports.
"""

import ast
import io
import sys
import tokenize
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "src" / "toril"
BUDGET = ROOT / "tools" / "budget.toml"
HEADER = "# Lines of code by room (tools/budget.py). A commit that raises a number says why in its message.\n"
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}


def code_lines(source: str) -> int:
    """Returns the number of lines of code.

    >>> code_lines('import os\\n\\n\\ndef home() -> str:\\n    "Where."\\n    return os.curdir  # here\\n')
    2
    """
    left_out = set[int]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            left_out.update(range(node.body[0].lineno, (node.body[0].end_lineno or node.body[0].lineno) + 1))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {line for token in tokens if token.type not in NO_CODE for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - left_out)


def lines_by_room() -> Counter[str]:
    """Returns the lines of code of each room: a package, or a module beside the packages."""
    counts = Counter[str]()
    for file in sorted(HOUSE.rglob("*.py")):
        counts[file.relative_to(HOUSE).parts[0].removesuffix(".py")] += code_lines(file.read_text())
    return counts


def main(arguments: list[str]) -> int:
    counts = lines_by_room()
    budget: dict[str, int] = tomllib.loads(BUDGET.read_text()) if BUDGET.is_file() else {}
    problems = [
        f"{room}: {lines:,} lines of code, {lines - budget.get(room, 0):,} above its budget; delete or merge first"
        for room, lines in counts.items()
        if lines > budget.get(room, 0)
    ]
    if arguments == ["--write"]:
        lowered = {room: min(lines, budget.get(room, lines)) for room, lines in sorted(counts.items())}
        BUDGET.write_text(HEADER + "".join(f"{room} = {lines}\n" for room, lines in lowered.items()))
        problems = [problem for problem in problems if problem.split(":")[0] in budget]
    print("\n".join(problems) or f"{counts.total():,} lines of code in {len(counts)} rooms: within the budget")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
