"""Measures the console: pages, the start of its application, and what many watchers of one run cost.

    python bench/console.py [--runs 10000]

The store is a folder with runs of ten suites, two runs of ten minutes with 20 labels, and a run that is going on. Pages
are answered in this process, without a network; the bytes are those of the gzip body. A cold start is a new process,
with bytecode, until the first answer; the peer is an empty FastAPI application.
"""

import argparse
import asyncio
import gc
import gzip
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT), str(ROOT / "bench")]

TIMES, STARTS, WATCHERS, POLLS = 20, 5, 50, 4
LOADED = re.compile(rb'data-from="(/[^"]+)"|hx-get="(/[^"]+)"[^>]*hx-trigger="load"')  # by its scripts
COLD = """
import asyncio, sys, time
sys.path[:0] = [{root!r}, {root!r} + "/src"]
{make}
import httpx
async def ask():
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as client:
        before = time.process_time()
        assert (await client.get({path!r})).status_code == 200
        print(time.process_time())
asyncio.run(ask())
"""
OWN = """
from pathlib import Path
from toril.clock import SystemClock
from toril.console.app import Setup, create_app
from toril.console.identity import Person
from toril.store import FolderStore
class Known:
    can_sign_out, sign_in = False, None
    from fastapi import APIRouter
    routes = APIRouter()
    person = staticmethod(lambda request: Person(subject="ada", name="Ada", role="admin"))
    csrf = staticmethod(lambda request: "token")
app = create_app(Setup(store=FolderStore(Path({store!r})), identity=Known(), clock=SystemClock(),
                       examine=lambda _: (), address="http://console.test", starter=None))
"""
EMPTY = """
from fastapi import FastAPI
app = FastAPI()
app.get("/")(lambda: {})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        addresses = filled(Path(name), asked.runs)
        print("| page | CPU | median | p95 (goal 300 ms) | gzip body (goal 60 kB) | loaded after it |")
        print("|---|---|---|---|---|---|", flush=True)
        asyncio.run(pages(Path(name), addresses))
        print("\n| cold start, CPU | median | at worst |\n|---|---|---|")
        for title, make, path in (
            ("home", OWN.format(store=name), "/"),
            ("runs", OWN.format(store=name), "/runs"),
            ("live API", OWN.format(store=name), addresses["live API"]),
            ("an empty FastAPI application", EMPTY, "/"),
        ):
            found = [cold(make, path) for _ in range(STARTS)]
            print(f"| {title} | {statistics.median(found):.2f} s | {max(found):.2f} s |", flush=True)
        print(asyncio.run(watching(Path(name), addresses["live API"])))
    print(verifying())


def filled(folder: Path, runs: int) -> dict[str, str]:
    """Fills the store. Returns the address of each page."""
    import history

    from tests.browser import ten_minutes
    from tests.console import served
    from toril.runs import suites
    from toril.store import FolderStore

    history.fill(folder, runs)
    store = FolderStore(folder)
    text = (
        b"execution:\n- {concurrency: 2, hold-for: 10s, scenario: buy}\nscenarios:\n  buy: {requests: ['http://x/']}\n"
    )
    for number in range(10):
        suites.save(store, f"shop-{number}", {"suite.yml": text}, by="ada", comment="", at=history.NOW, expected=None)
    served.running(store, served.progress(at=history.NOW), renewed_at=history.NOW)
    over, base = (ten(store, ten_minutes.plan(), number) for number in (1, 2))
    return {
        "home": "/",
        "home, with changes": "/?complete=true",
        "palette": "/find?q=passed+0fff",
        "runs": "/runs",
        "a run over": f"/runs/{over}",
        "a run, live": f"/runs/{served.LIVE}",
        "compare": f"/compare?run={base}&run={over}",
        "suites": "/suites",
        "a suite": "/suites/shop-1",
        "a trend": "/suites/shop-1/trend",
        "baseline": "/suites/shop-1/baseline",
        "start": "/suites/shop-1/start",
        "edit": "/suites/shop-1/edit",
        "live API": f"/api/v1/runs/{served.LIVE}/live",
    }


def ten(store: Any, plan: Any, number: int) -> str:
    """Stores a run of ten minutes, from its workers' files to its verdict."""
    import numpy as np

    from tests.browser import ten_minutes
    from toril.records import End, Exit, Launch, Ready, Start, run_key, worker_key
    from toril.runs.conclude import judge_again
    from toril.timeline.intervals import Recorder

    plan = plan.model_copy(update={"run_id": f"2026112{number}T100000Z-shop-1-00{number}0"})
    at, attempts = 1_795_000_000.0 + 100_000 * number, {share.worker: "0a0b" for share in plan.shares}
    put: dict[str, Any] = {
        "plan.json": plan,
        "launch.json": Launch(at=at - 9, deadline=at + 900, attempts={name: ("0a0b",) for name in attempts}),
        "start.json": Start(at=at, attempts=attempts),
        "end.json": End(at=at + 605),
    }
    for name, record in put.items():
        store.put(run_key(plan.run_id, name), record.to_json())
    random = np.random.default_rng(number)
    for index, share in enumerate(plan.shares):
        recorder = Recorder(share.worker, share.location)
        samples = ten_minutes._samples(random, index, share.location, 600, ten_minutes.LABELS, range(300, 345), 1.0)
        recorder.add_many("buy", samples)
        for second in range(600):
            recorder.virtual_users(second, "buy", 50)
            recorder.health(second, 0.3, 0.4, 300 << 20, 0.0)
        while (data := recorder.flush()) is not None:
            store.put(worker_key(plan.run_id, share.worker, "0a0b", f"intervals-{recorder.files:06d}"), data)
        own = {"worker": share.worker, "attempt": "0a0b"}
        left = Exit(
            **own, at=at + 600, outcome="finished", interval_files=recorder.files,
            interval_digests=recorder.digests, samples=recorder.samples, last_sample_s=599.0,
        )  # fmt: skip
        ready = Ready(**own, at=at - 3, toril_version="0.1.0", pid=1)
        store.put(worker_key(plan.run_id, share.worker, "0a0b", "exit.json"), left.to_json())
        store.put(worker_key(plan.run_id, share.worker, "0a0b", "ready.json"), ready.to_json())
    judge_again(store, plan.run_id)
    return str(plan.run_id)


async def pages(folder: Path, addresses: dict[str, str]) -> None:
    async with client_of(folder) as client:
        gc.freeze()  # both as in `toril console`
        gc.set_threshold(50_000, 20, 100)
        for title, address in addresses.items():
            await client.get(address)  # warm: the first request imports what the page needs
            took, body, cpu_s = [], b"", time.process_time()
            for _ in range(TIMES):
                at = time.perf_counter()
                answer = await client.get(address)
                took.append(1000 * (time.perf_counter() - at))
                assert answer.status_code == 200, (address, answer.status_code, answer.text[:300])
                body = answer.content
            cpu_ms = 1000 * (time.process_time() - cpu_s) / TIMES
            later = [await client.get(one) for one in loaded(body)]
            p95 = statistics.quantiles(took, n=20)[-1]
            sizes = (
                f"{len(gzip.compress(body)) / 1000:.1f} kB",
                *(f"{len(gzip.compress(one.content)) / 1000:.1f} kB" for one in later),
            )
            print(
                f"| {title} | {cpu_ms:.0f} ms | {statistics.median(took):.0f} ms | **{p95:.0f} ms** | **{sizes[0]}** | "
                f"{', '.join(sizes[1:]) or '–'} |",
                flush=True,
            )


def loaded(body: bytes) -> Iterator[str]:
    return (next(filter(None, one)).decode().replace("&amp;", "&") for one in LOADED.findall(body))


async def watching(folder: Path, address: str) -> str:
    """Polls as many watchers do. Returns how many objects a poll reads."""
    from toril.store import FolderStore

    reads = []

    class Counted(FolderStore):
        def _read(self, key: str, most: int | None = None) -> Any:
            reads.append(key)
            return super()._read(key, most)

        def keys(self, prefix: str) -> Iterator[str]:
            reads.append(prefix)
            return super().keys(prefix)

    async with client_of(folder, Counted(folder)) as client:
        at = time.process_time()
        for _ in range(POLLS):
            await asyncio.gather(*(client.get(address) for _ in range(WATCHERS)))
        cpu_ms = 1000 * (time.process_time() - at) / (POLLS * WATCHERS)
    each = len(reads) / (POLLS * WATCHERS)
    return f"\n{WATCHERS} watchers of one run: {each:.2f} objects read a poll (goal 2), {cpu_ms:.1f} ms of CPU a poll"


def client_of(folder: Path, store: Any = None) -> Any:
    import history
    import httpx

    from tests.clocks import SteppedClock
    from tests.console import served
    from toril.console.app import create_app
    from toril.store import FolderStore

    app = create_app(served.setup(store or FolderStore(folder), clock=SteppedClock(history.NOW)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=served.ADDRESS)


def cold(make: str, path: str) -> float:
    """Returns the CPU seconds of a new process until its first answer."""
    script = COLD.format(root=str(ROOT), make=make, path=path)
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return float(done.stdout)


def verifying() -> str:
    """Returns the cost of opening a session's cookie."""
    from toril.console.sessions import KEY_BYTES, Seal, Session

    seal = Seal(bytes(KEY_BYTES), "session")
    cookie = seal.seal(astuple(Session("ada", "admin", time.time(), time.time())))
    at = time.process_time()
    for _ in range(1000):
        Session(*seal.open(cookie))
    return f"A session's cookie costs {1000 * (time.process_time() - at):.0f} µs of CPU a request"


if __name__ == "__main__":
    main()
