"""Writes pictures of comments, similar to GitHub: python -m tests.github.pictures FOLDER [STORY …]"""

import shutil
import sys
from pathlib import Path

from markdown_it import MarkdownIt
from playwright.sync_api import sync_playwright

from tests.github.stories import STORIES
from toril.reports import markdown
from toril.reports.markdown import Links
from toril.reports.run_blocks import report_of

LINKS = Links(report="https://github.example/acme/shop/actions/runs/1/artifacts/2", run="https://github.example/1")
STYLE = """
:root { color-scheme: light dark; --text: light-dark(#1f2328, #f0f6fc); --muted: light-dark(#59636e, #9198a1);
  --page: light-dark(#fff, #0d1117); --line: light-dark(#d1d9e0, #3d444d); --code: light-dark(#818b981f, #656c7633);
  --link: light-dark(#0969da, #4493f8); --stripe: light-dark(#f6f8fa, #151b23) }
* { box-sizing: border-box }
body { margin: 0; padding: 16px; background: var(--page); color: var(--text); font: 14px/1.5 -apple-system, "Segoe UI",
  "Noto Sans", Helvetica, Arial, sans-serif }
.comment { max-width: 800px; border: 1px solid var(--line); border-radius: 6px; padding: 16px;
  overflow-wrap: break-word }
a { color: var(--link) } p, table, details, ul, blockquote { margin: 0 0 16px }
h2, h3 { margin: 24px 0 16px; line-height: 1.25; font-weight: 600 } h2:first-child { margin-top: 0 }
h2 { font-size: 1.5em; padding-bottom: .3em; border-bottom: 1px solid var(--line) } h3 { font-size: 1.25em }
pre { margin: 0 0 16px; padding: 16px; background: var(--stripe); overflow: auto; font-size: 85%; border-radius: 6px; }
table { border-collapse: collapse; display: block; width: max-content; max-width: 100%; overflow: auto;
  font-variant: tabular-nums }
th, td { padding: 6px 13px; border: 1px solid var(--line) } tr:nth-child(2n) { background: var(--stripe) }
code { padding: .2em .4em; font: 85% ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace;
  background: var(--code); border-radius: 6px; white-space: break-spaces }
pre code { padding: 0; white-space: pre; background: none }
sub { font-size: 75%; line-height: 0; position: relative; vertical-align: baseline; bottom: -.25em }
blockquote { padding: 0 1em; color: var(--muted); border-left: .25em solid var(--line) } ul { padding-left: 2em }
summary { cursor: pointer }
"""


def page(text: str) -> str:
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><div class="comment">{body}</div></body></html>'


def main(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name in names or STORIES:
            text = markdown.render(report_of(STORIES[name]()), LINKS).decode()
            (folder / f"{name}.md").write_text(text)
            for width in (900, 390):
                for scheme in ("light", "dark"):
                    opened = chromium.new_page(viewport={"width": width, "height": 600}, color_scheme=scheme)
                    opened.set_content(page(text))
                    opened.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
                    opened.close()
        chromium.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
