"""What a release publishes.

python3 -m tools.release v0.1.0     prints the notes of a release: the section of CHANGELOG.md
make release-rehearsal              builds the packages, prints what a release would publish and what is missing
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECTION = re.compile(r"^## \[([^\]]+)\](?: - (\S+))?\n(.*?)(?=^## \[|^<!-- |^\[|\Z)", re.MULTILINE | re.DOTALL)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
FLAVOURS = ("slim", "full")  # of the image, as .github/workflows/image.yml builds them


def section(changelog: str, version: str) -> tuple[str, str]:
    """Returns the date, which may be missing, and the text of a version; both are empty without its section."""
    return next(((date, text.strip()) for name, date, text in SECTION.findall(changelog) if name == version), ("", ""))


def notes(changelog: str, tag: str) -> str:
    """Returns the notes of a release; SystemExit if the changelog has no dated section for it."""
    version = tag.removeprefix("v")
    date, text = section(changelog, version)
    if not text or not DATE.fullmatch(date):
        raise SystemExit(f"CHANGELOG.md: {version} has no section with a date. Write `## [{version}] - 2027-01-15`.")
    return text


def published(version: str, owner: str, packages: list[Path]) -> Iterator[str]:
    """Yields the name of everything that a release publishes."""
    tag, account = f"v{version}", owner or "YOUR_ORG"
    yield from (f"package  {path.name}" for path in packages)
    yield from (f"image    ghcr.io/{account.lower()}/toril:{flavour}-{tag}" for flavour in FLAVOURS)
    yield f"action   {account}/toril@{tag}, and {account}/toril@{tag.partition('.')[0]}"
    yield f"site     https://{account}.github.io/toril/"
    yield f"release  https://github.com/{account}/toril/releases/tag/{tag}"


def missing(version: str, owner: str, changelog: str, packages: list[Path]) -> Iterator[str]:
    """Yields what is still to do before a release."""
    date, text = section(changelog, version)
    if not text or not DATE.fullmatch(date):
        yield f"CHANGELOG.md: write the date of {version}"
    if not owner:
        yield "the name of the GitHub account: make owner NAME=…"
    if {path.suffix for path in packages} != {".whl", ".gz"} or len(packages) != 2:
        yield f"dist: one wheel and one archive of the sources of {version}"


def main(arguments: list[str], root: Path = ROOT) -> int:
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    if arguments:
        sys.stdout.write(f"{notes(changelog, arguments[0])}\n")
        return 0
    version = _value(root / "src/toril/__init__.py", "__version__")
    owner = _value(root / "src/toril/explain/__init__.py", "OWNER")
    packages = sorted((root / "dist").glob(f"toril-{version}[-.]*"))
    to_do = [f"missing  {text}" for text in missing(version, owner, changelog, packages)]
    sys.stdout.write("\n".join([*published(version, owner, packages), *to_do]) + "\n")
    return 1 if to_do else 0


def _value(module: Path, name: str) -> str:
    found = re.search(rf'^{name} = "(.*)"$', module.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
