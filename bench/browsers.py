"""Finds the number of browsers per core that still measure correct step times and page times.

    python bench/browsers.py [--hold 7] [--most 3] [--engines playwright selenium]

The worker and its browsers use one core, the page's server the other. The server sends the page's first byte 150 ms
after the request, and its picture 200 ms after the page. So the true times are 150 and 350 ms, plus the page's own
work. One browser alone shows that work, and is the peer of all others. A user stays on a page for a second.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.pages import pages  # noqa: E402 - the tests' own, beside the package

FIRST_BYTE_S, PICTURE_S = 0.15, 0.2
THINK_S = 1
START_S = {"playwright": 1.5, "selenium": 2}  # ramp-up per browser, on one core
WRONG = 0.1
PAGES = 4  # per iteration; Selenium starts a browser for each iteration


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hold", type=int, default=7)
    parser.add_argument(
        "--most", type=int, default=3, help="Most browsers on one core; for engines after the first, one less."
    )
    parser.add_argument("--engines", nargs="+", default=["playwright", "selenium"])
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)
    print(f"load average before: {os.getloadavg()[0]:.1f}; true: TTFB {FIRST_BYTE_S:.3f} s, LCP {_true():.3f} s\n")
    print("| engine | browsers a core | steps | CPU of its core | step p50 | against one | TTFB p50 | LCP p50 | |")
    print("|---|---|---|---|---|---|---|---|---|")
    with pages(FIRST_BYTE_S, PICTURE_S) as service, tempfile.TemporaryDirectory() as folder:
        for number, engine in enumerate(options.engines):
            alone_s = None
            for browsers in range(1, max(2, options.most + (number == 0))):
                found = measured(
                    Path(folder) / f"{engine}-{browsers}", engine, browsers, service.url, options.hold, cores[0]
                )
                labels = found["labels"]
                step, ttfb, lcp = (_p50_s(labels, name) for name in ("shop", "shop (TTFB)", "shop (LCP)"))
                alone_s = alone_s or step
                wrong = step / alone_s > 1 + WRONG or ttfb / FIRST_BYTE_S > 1 + WRONG
                cpu = found["generators"]["cpu_max"] or 0
                start = f"| {engine} | {browsers} | {labels['shop']['samples']} | {cpu:.0%} | {step:.3f} s"
                end = f"{ttfb:.3f} s | {lcp:.3f} s | {'wrong' if wrong else 'right'} |"
                print(f"{start} | {step / alone_s:.2f} | {end}", flush=True)


def _true() -> float:
    return FIRST_BYTE_S + PICTURE_S


def _p50_s(labels: dict[str, Any], name: str) -> float:
    return float(labels[name]["response_us"]["p50"]) / 1e6


def measured(store: Path, engine: str, browsers: int, url: str, hold_s: int, core: int) -> dict[str, Any]:
    """Returns the summary of a run whose worker has `core` for itself."""
    store.mkdir(parents=True)
    suite = store / "suite.json"
    requests = [{"url": f"{url}/", "label": "shop", "think-time": f"{THINK_S}s"}] * PAGES
    ramp_up = f"{round(START_S[engine] * browsers)}s"
    execution = {"scenario": {"requests": requests}, "executor": engine, "concurrency": browsers}
    load = {"ramp-up": ramp_up, "hold-for": f"{hold_s}s"}
    settings = {"ramp-up-exclude": True}
    suite.write_text(json.dumps({"execution": {**execution, **load}, "settings": settings, "toril": {"workers": 1}}))
    command = [sys.executable, "-m", "toril", "run", str(suite), "--store", str(store), "--quiet", "--fail-on", "none"]
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    (summary,) = store.glob("runs/*/summary.json")
    return dict(json.loads(summary.read_text()))


if __name__ == "__main__":
    main()
