"""Writes the name of the GitHub account that publishes toril into the texts that need it: `make owner NAME=acme`.

Until then, texts show what works without it. A passage between `<!-- unpublished -->` and `<!-- published: … -->` gives
way to what the second comment holds, in which NAME is the account. A later call with another name replaces the first.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTING = Path("src/toril/explain/__init__.py")
FILES = (
    *("*.md", "docs/**/*.md", "loadtests/**/*.md", "src/toril/explain/codes/*.md", ".github/ISSUE_TEMPLATE/*"),
    *("pyproject.toml", "mkdocs.yml", str(SETTING)),
)
PASSAGE = re.compile(r"<!-- unpublished -->\n?.*?<!-- published:\s?(.*?)\s?-->\n?", re.DOTALL)
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,37}[A-Za-z0-9])?")  # of an account on GitHub
FIRST = {  # pattern → its replacement, once the name is known
    r'^OWNER = ""$': 'OWNER = "NAME"',
    r"^urls = \{\}.*$": (
        'urls = {Documentation = "https://NAME.github.io/toril/latest/", Source = "https://github.com/NAME/toril",'
        ' Issues = "https://github.com/NAME/toril/issues",'
        ' Changelog = "https://github.com/NAME/toril/blob/main/CHANGELOG.md"}'
    ),
    r"^(site_name: .*)$": (
        r"\1\nsite_url: https://NAME.github.io/toril/latest/\nrepo_url: https://github.com/NAME/toril"
    ),
    r"\bYOUR_ORG/toril(/comment)?@main\b": r"NAME/toril\1@v0",
    r"\bgithub\.com/YOUR_ORG/toril\b": "github.com/NAME/toril",
    r"git clone ADDRESS toril": "git clone https://github.com/NAME/toril",
    r'"\./toril\[([\w,]+)\]"': r'"toril[\1] @ git+https://github.com/NAME/toril"',
}


def with_owner(text: str, name: str, before: str) -> str:
    """Returns a text with the name of the owner. `before`: the name that it has; empty if it has none."""
    if before:
        places = rf"(?<=github\.com/){before}(?=/toril\b)|\b{before}(?=/toril(?:/comment)?@|\.github\.io/toril\b)"
        return re.sub(rf'{places}|(?<=^OWNER = "){before}(?="$)', name, text, flags=re.MULTILINE)
    text = PASSAGE.sub(lambda passage: passage[1].replace("NAME", name) + "\n" * bool(passage[1]), text)
    for pattern, replacement in FIRST.items():
        text = re.sub(pattern, replacement.replace("NAME", name), text, flags=re.MULTILINE)
    return text


def owner(root: Path) -> str:
    """Returns the name that the tree has; empty if it has none."""
    found = re.search(r'^OWNER = "(.*)"$', (root / SETTING).read_text(), re.MULTILINE)
    return found[1] if found else ""


def files(root: Path) -> Iterator[Path]:
    for pattern in FILES:
        yield from sorted(path for path in root.glob(pattern) if path.is_file())


def main(arguments: list[str], root: Path = ROOT) -> int:
    if len(arguments) != 1 or not NAME.fullmatch(arguments[0]):
        sys.stderr.write("Name the GitHub account that publishes toril, as in: make owner NAME=acme\n")
        return 2
    before = owner(root)
    for path in files(root):
        text = path.read_text()
        changed = with_owner(text, arguments[0], before)
        if changed != text:
            path.write_text(changed)
            sys.stdout.write(f"{path.relative_to(root)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
