"""How many browsers a core bears until what they measure is wrong: step times, and the page's own, against true ones.

    python bench/browsers.py [--hold 7] [--most 3] [--engines playwright selenium]

The worker with its browsers has one core, the page's server the other. The page's first byte comes 150 ms after its
request and its picture 200 ms after the page, so that 150 and 350 ms are the times of perfect browsers. A page's own
work comes on top, which is what one browser alone shows: the peer of all others. A user looks at a page for a second.
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
START_S = {"playwright": 1.5, "selenium": 2}  # of ramp-up for each browser, on one core
WRONG = 0.1
PAGES = 4  # of an iteration, for which Selenium starts a browser


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hold", type=int, default=7)
    parser.add_argument(
        "--most", type=int, default=3, help="browsers on one core; the engines after the first: one less"
    )
    parser.add_argument("--engines", nargs="+", default=["playwright", "selenium"])
    told = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)
    print(f"load average before: {os.getloadavg()[0]:.1f}; true: TTFB {FIRST_BYTE_S:.3f} s, LCP {_true():.3f} s\n")
    print("| engine | browsers a core | steps | CPU of its core | step p50 | against one | TTFB p50 | LCP p50 | |")
    print("|---|---|---|---|---|---|---|---|---|")
    with pages(FIRST_BYTE_S, PICTURE_S) as service, tempfile.TemporaryDirectory() as folder:
        for number, engine in enumerate(told.engines):
            alone_s = None
            for browsers in range(1, max(2, told.most + (number == 0))):
                found = measured(
                    Path(folder) / f"{engine}-{browsers}", engine, browsers, service.url, told.hold, cores[0]
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
    """The summary of a run whose worker has that core alone."""
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
