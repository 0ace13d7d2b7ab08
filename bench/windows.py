"""Measures the windows of a report page: the size of their data, the time to draw the page, and to show a window.

    python bench/windows.py                                              the rows of bench/README.md
    python bench/windows.py --rate 100 [--labels 20] [--seconds 600]     those of one run

Two locations send half of the rate each (requests per second of a label, log-normal, σ = 0.5; 5 % fail). `page` is the
time from opening the file in Chromium until charts are drawn and measurements are read; `window` the time until all
tables show another window: medians of five. There is no peer: other reports have no exact figures of a window.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from bench.exports import measured  # noqa: E402 - beside the package
from tests.measured import START, execution, left, plan_of  # noqa: E402
from toril.reports import Bundle, render  # noqa: E402
from toril.reports.measured import encoded  # noqa: E402
from toril.summary import Completeness, summarise  # noqa: E402

ROWS = ("--rate 10", "--rate 100", "--rate 300", "--rate 1000", "--rate 100 --seconds 3600")
HEAD = "| labels × time × rate | data | steps | made in | page file | page | window |\n|---|---|---|---|---|---|---|"
TIMES = 5
CHOSEN = """async (hash) => {
  const began = performance.now();
  const changed = new Promise((done) => addEventListener("hashchange", () => setTimeout(done), { once: true }));
  location.hash = hash;
  await changed;
  return performance.now() - began;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int)
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=600)
    options = parser.parse_args()
    if options.rate:
        row(options.labels, options.seconds, options.rate)
        return
    print(HEAD, flush=True)
    for words in ROWS:
        subprocess.run([sys.executable, __file__, *words.split()], check=True)


def row(labels: int, seconds: int, rate: int) -> None:
    bundle = run_of(labels, seconds, rate)
    began = time.process_time()
    found = encoded(bundle)
    made_s = time.process_time() - began
    assert found is not None
    data = render("html", bundle)
    page_ms, window_ms = drawn(data, seconds)
    size = len(found.text) / 2**20
    print(
        f"| {labels} × {seconds:,} s × {rate:,}/s | {size:.2f} MiB | {found.step_s} s | {made_s:.1f} s "
        f"| {len(data) / 2**20:.2f} MiB | {page_ms:.0f} ms | {window_ms:.0f} ms |",
        flush=True,
    )


def run_of(labels: int, seconds: int, rate: int) -> Bundle:
    run = measured(labels, seconds, rate // 2)
    assert run.timeline is not None
    plan = plan_of(locations=("madrid", "sevilla"), executions=[execution(hold_for_s=float(seconds))])
    workers = tuple(share.worker for share in plan.shares)
    exits = {name: left(name) for name in workers}
    complete = Completeness(planned=workers, reported=workers, exits=exits, started_at=START)
    return replace(run, plan=plan, summary=summarise(plan, run.timeline, complete, START), completeness=complete)


def drawn(data: bytes, seconds: int) -> tuple[float, float]:
    """Returns the milliseconds to open the page, and to show a window."""
    pages, windows = [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "report.html"
        path.write_bytes(data)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for time_ in range(TIMES):
            page = browser.new_page()
            page.goto(path.as_uri())
            page.locator(".window").wait_for()
            pages.append(page.evaluate("performance.now()"))
            windows.append(page.evaluate(CHOSEN, f"#window={seconds // 4 + time_}-{seconds // 2}"))
            page.close()
        browser.close()
    return statistics.median(pages), statistics.median(windows)


if __name__ == "__main__":
    main()
