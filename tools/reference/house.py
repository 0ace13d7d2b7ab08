"""The map in CONTRIBUTING.md: each room of src/toril with the first sentence of its docstring, by layer."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "toril"
MAP = re.compile(r"(?s)(<!-- map: [^\n]*-->\n```text\n).*?(```\n)")


def pages() -> dict[str, str]:
    """CONTRIBUTING.md with its map, by its path from docs/reference."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    lines = [f"{name:<13} {sentence}\n" for name, sentence in rooms()]
    return {"../../CONTRIBUTING.md": MAP.sub(lambda found: found[1] + "".join(lines) + found[2], text)}


def rooms() -> list[tuple[str, str]]:
    """Returns each room and what it is for, from the top layer to the lowest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    found = []
    for name in re.findall(r"\((\w+)\)", " ".join(layers)):
        package, module = PACKAGE / name / "__init__.py", PACKAGE / f"{name}.py"
        if package.is_file():
            found.append((f"{name}/", purpose(package)))
        elif module.is_file() and not name.startswith("__"):
            found.append((f"{name}.py", purpose(module)))
    return found


def purpose(path: Path) -> str:
    """Returns the first sentence of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return " ".join(re.split(r"(?<=\.)\s", docstring, maxsplit=1)[0].split())
