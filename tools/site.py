"""Builds the site of the documentation from the repository's Markdown, in build/site.

    python -m tools.site                   what `make site` calls
    python -m tools.site --serve           and serves it at 127.0.0.1:8000
    python -m tools.site --into FOLDER     into a checkout of the branch gh-pages

The generator reads mkdocs.yml. This program prepares its pages. It copies docs/, and adds a page for each code and each
example. Links point at the places that pages have on the site.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from toril import __version__, explain

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "site"
PAGES, HTML = BUILD / "pages", BUILD / "html"
MOVED = {  # page of the repository → page of the site
    "README.md": "index.md",
    "docs/README.md": "guide.md",
    "docs/decisions/README.md": "decisions/index.md",
    "bench/README.md": "project/benchmarks.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/reporting.md",
    "CODE_OF_CONDUCT.md": "project/conduct.md",
    "image/README.md": "project/image.md",
    ".github/workflows/README.md": "project/workflows.md",
    "loadtests/README.md": "gallery/index.md",
}
CODES = "docs/reference/codes.md"
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]+)?\)")
PICTURE = re.compile(r"(src|srcset)=\"(?!https?:)([^\"]+)\"|!\[([^\]]*)\]\((?!https?:)([^)\s]+)\)")
LESS_FOUND = "---\nsearch: {boost: 0.5}\n---\n"  # by the search than a guide
NOT_FOUND = "---\nsearch: {exclude: true}\n---\n"  # because each code has a page
FENCE = re.compile(r"(?ms)^( *)```.*?^\1``` *$")
NAMES = {code.name for code in explain.codes()}
FILTER = """<p class="gallery-filter">
<label>Engine <select data-column="engine"><option value="">all</option>{engines}</select></label>
<label>Need <select data-column="need"><option value="">all</option>{needs}</select></label>
<label>Search <input type="search" data-column="text" placeholder="token, spike, region …"></label>
<span role="status" data-count></span></p>
"""


def places() -> dict[str, str]:
    """Returns each page of the repository that the site has, with its path on the site."""
    found = {
        str(path.relative_to(ROOT)): str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")
    }
    for path in (ROOT / "loadtests").glob("*/README.md"):
        found[str(path.relative_to(ROOT))] = f"gallery/{path.parent.name}.md"
    return found | {page: place for page, place in MOVED.items() if (ROOT / page).is_file()}


def on_site(page: str, text: str, pages: dict[str, str]) -> str:
    """Returns a page of the repository with links that fit its place on the site.

    A link to a file that the site lacks leads to the repository, or loses its address while no repository is set.
    """

    def link(match: re.Match[str]) -> str:
        label, target, anchor = match[1], match[2], match[3] or ""
        path = os.path.normpath(Path(page).parent / target) if target else page
        if path == CODES and anchor[1:] in NAMES:
            return f"[{label}]({relative(pages[page], f'codes/{anchor[1:]}.md')})"
        path = f"{path}/README.md" if f"{path}/README.md" in pages else path
        if path in pages:
            return f"[{label}]({relative(pages[page], pages[path]) if target else ''}{anchor})"
        if path.startswith("docs/") and (ROOT / path).is_file():
            return f"[{label}]({relative(pages[page], path.removeprefix('docs/'))})"
        return f"[{label}]({explain.REPOSITORY}/blob/main/{path})" if explain.REPOSITORY else label

    def picture(match: re.Match[str]) -> str:
        path = os.path.normpath(Path(page).parent / (match[2] or match[4]))
        place = relative(pages[page], path.removeprefix("docs/"))
        if match[4]:
            return f"![{match[3]}]({place})"
        return f'{match[1]}="{place}"'

    parts, last = [], 0
    for fence in [*FENCE.finditer(text), None]:
        prose = text[last : fence.start() if fence else len(text)]
        parts.append(PICTURE.sub(picture, LINK.sub(link, prose)))
        if fence:
            parts.append(fence[0])
            last = fence.end()
    return "".join(parts)


def relative(page: str, target: str) -> str:
    return os.path.relpath(target, Path(page).parent)


def gallery(text: str) -> str:
    """Returns the page of the examples: their tables as one, with a filter by engine and need."""
    rows, engines, needs, need = [], set[str](), [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            need = line[3:]
        if match := re.match(r"\| \[([\w-]+)\]\([^)]*\) \| (.*) \|$", line):
            name, shows = match.groups()
            used = engines_of(ROOT / "loadtests" / name)
            engines.update(used)
            needs += [need] * (need not in needs)
            rows.append(f"| [{name}]({name}.md) | {shows} | {', '.join(used)} | {need} |")
    options = {
        "engines": "".join(f"<option>{engine}</option>" for engine in sorted(engines)),
        "needs": "".join(f"<option>{each}</option>" for each in needs),
    }
    intro = text.split("\n## ")[0]
    head = "| example | shows | engine | need |\n|---|---|---|---|"
    return f"{intro}\n\n{FILTER.format(**options)}\n{head}\n" + "\n".join(rows) + "\n"


def engines_of(folder: Path) -> list[str]:
    """Returns the engines of an example; Taurus' default is JMeter."""
    texts = [path.read_text() for path in folder.glob("*.yml")]
    return sorted(set(re.findall(r"\bexecutor: ([\w-]+)", "\n".join(texts)))) or ["jmeter"]


def example(folder: Path, text: str) -> str:
    """Returns the page of an example, with its suite."""
    return f"{text}\n\n## suite.yml\n\n```yaml\n{(folder / 'suite.yml').read_text()}```\n"


def codes() -> Iterator[tuple[str, str]]:
    """Yields the page of each code."""
    for code in explain.codes():
        outcome = f" · the run is {code.outcome}" if code.outcome else ""
        yield f"codes/{code.name}.md", f"{LESS_FOUND}# `{code.name}`\n\n*{code.area}{outcome}*\n\n{code.text}\n"


def llms(pages: dict[str, str]) -> str:
    """Returns llms.txt: what the site has, for assistants; each page is there as Markdown too."""
    lines = [
        "# toril",
        "",
        "> Distributed load tests as code on AWS: exact percentiles, one verdict, red pull requests.",
        "",
    ]
    lines += [
        "An address of a page with `.md` is its Markdown. The JSON Schema of a suite: schemas/suite.schema.json.",
        "",
    ]
    for section, folder in {
        "Tutorials": "tutorials/", "Guides": "how-to/", "Reference": "reference/", "Explanation": "explanation/",
        "Examples": "gallery/",
    }.items():  # fmt: skip
        lines += [f"## {section}", ""]
        for page, place in sorted(pages.items(), key=lambda item: item[1]):
            if place.startswith(folder):
                title = (ROOT / page).read_text().partition("\n")[0].lstrip("# ")
                lines.append(f"- [{title}]({explain.SITE + '/' if explain.SITE else ''}{place})")
        lines.append("")
    return "\n".join(lines)


def prepare() -> None:
    """Writes the pages of the site into build/site/pages."""
    shutil.rmtree(BUILD, ignore_errors=True)
    pages = places()
    shutil.copytree(ROOT / "docs", PAGES, ignore=shutil.ignore_patterns("*.md"))
    shutil.copytree(ROOT / "docs" / "reference" / "schemas", PAGES / "schemas")
    shutil.copytree(ROOT / "tools" / "web" / "site", PAGES / "assets", dirs_exist_ok=True)
    texts = dict(codes())
    for page, place in pages.items():
        text = (ROOT / page).read_text()
        if page == "loadtests/README.md":
            text = gallery(on_site(page, text, pages))
        elif place.startswith("gallery/"):
            text = on_site(page, example(ROOT / Path(page).parent, text), pages)
        else:
            text = NOT_FOUND * (page == CODES) + on_site(page, text, pages)
        texts[place] = text
    for place, text in texts.items():
        path = PAGES / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (PAGES / "llms.txt").write_text(llms(pages))


def build() -> None:
    """Builds the site, and puts each page's Markdown beside it."""
    prepare()
    program = ROOT / ".tools" / "site" / "bin" / "zensical"
    subprocess.run([program, "build", "--clean", "--strict"], cwd=ROOT, check=True)
    for path in PAGES.rglob("*.md"):
        target = HTML / path.relative_to(PAGES)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def release(version: str, branch: Path) -> None:
    """Puts the built site into a checkout of the branch that GitHub serves; the newest version is also `latest`.

    `versions.json` is what the theme's version selector reads.
    """
    listed = branch / "versions.json"
    versions = json.loads(listed.read_text()) if listed.is_file() else []
    versions = [each for each in versions if each["version"] != version] + [{"version": version, "title": version}]
    versions.sort(key=lambda each: [int(part) for part in each["version"].split(".")], reverse=True)
    for index, each in enumerate(versions):
        each["aliases"] = ["latest"] if index == 0 else []
    for folder in (version, "latest") if versions[0]["version"] == version else (version,):
        shutil.rmtree(branch / folder, ignore_errors=True)
        shutil.copytree(HTML, branch / folder)
    listed.write_text(json.dumps(versions, indent=1) + "\n")
    (branch / "index.html").write_text('<!doctype html><meta http-equiv="refresh" content="0; url=latest/">\n')
    (branch / ".nojekyll").touch()


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the site of the documentation.")
    parser.add_argument("--into", metavar="FOLDER", type=Path, help="put the built site into a checkout of gh-pages")
    parser.add_argument("--serve", action="store_true", help="serve it at 127.0.0.1:8000")
    arguments = parser.parse_args()
    if arguments.into:
        release(".".join(__version__.split(".")[:2]), arguments.into)
        return
    build()
    sys.stdout.write(f"{HTML.relative_to(ROOT)}/index.html\n")
    if arguments.serve:
        command = [sys.executable, "-m", "http.server", "8000", "--bind", "127.0.0.1", "--directory", str(HTML)]
        os.execv(sys.executable, command)  # noqa: S606 - no shell, and nothing foreign in it


if __name__ == "__main__":
    main()
