"""Measures the cost of a request in a journey for each engine, beside single requests of wrk.

A journey has six requests: log in (a form, which sets a cookie), list (19 kB), open an item (a row of 40), put it into
the cart (a form with the token of the page), order (JSON with the value of the response before) and log out. It has two
extractions and three assertions. One server process, bench/journey-shop, is the same for all engines. It refuses
sessions, tokens and values that it did not give; a run counts only if it refused none, and if it answered all samples.

Each engine runs by `toril run` with one worker. JMeter, Apiritif, Gatling and toril run the same requests of a suite;
Locust has a locustfile, FastHttpUser, that does the same. 10 users do not think. `arrivals` starts journeys at a rate,
each with a connection of its own, and so does `gatling-arrivals`, by a script with `constantUsersPerSec`. CPU is that
of worker and engine without the first seconds, as in bench/engines.py.

    .venv/bin/python bench/journeys.py [ENGINE …] [--rounds 3] [--rate 4000] [--tls | --http2]
    .venv/bin/python bench/journeys.py --memory 18000

`--memory N` starts N users that think for 10 s, over plain HTTP/1.1, and reports the engine's resident memory.
"""

import argparse
import csv
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from bench.engines import Measured, children_cpu_s, ratio, steady  # noqa: E402 - scripts are run by their paths
from toril.timeline.intervals import decode  # noqa: E402

OURS = ("users", "arrivals")
GATLINGS = ("gatling", "gatling-arrivals")
ENGINES = ("wrk", *OURS, "jmeter", *GATLINGS, "locust", "apiritif")
PEERS = {"jmeter": "JMeter", **dict(zip(GATLINGS, ("Gatling", "Gatling's arrivals"), strict=True)), "locust": "Locust",
         "apiritif": "Apiritif", "wrk": "wrk"}  # fmt: skip
NO_CERTIFICATE = ("apiritif",)  # it accepts no self-signed certificate
SECONDS = dict.fromkeys(("jmeter", *GATLINGS), (30, 42))  # of warm-up and of load; others (3, 11)
GATLING_RATE = 600  # journeys per second, about half of what two cores can do beside the server
PASSWORD = "correct-horse"  # noqa: S105 - of no real user
ITEMS = 40
THINK_S = 10
FILES = 18_000  # connections of one server process, which the machine may allow 20,000 open files
PORTS = 7  # of it: where connections have to be closed for others, each waits for a minute in the kernel
PORT = 18_100 + os.getpid() % 50 * 100
HEAD = f"""
| engine | requests per CPU-second | µs of CPU a request | {" | ".join(f"to {peer}" for peer in PEERS.values())} | requests per second |
|---|---|---|---|---|---|---|---|---|---|
"""  # noqa: E501 - a table
SIMULATION = """
import io.gatling.core.Predef._
import io.gatling.http.Predef._
import scala.concurrent.duration._

class Shop extends Simulation {{
  val journey = scenario("shop").feed(csv("people.csv").circular)
    .exec(http("log in").post("/login").formParam("user", "#{{user}}").formParam("password", "#{{password}}"))
    .exec(http("list").get("/items").check(substring("40 items found").exists))
    .exec(http("open").get("/items/#{{item}}").check(regex("<h1>Item [0-9]+</h1>").exists)
      .check(regex("name=\\"token\\" value=\\"([^\\"]+)\\"").saveAs("token")))
    .exec(http("cart").post("/cart").formParam("item", "#{{item}}").formParam("token", "#{{token}}")
      .check(jsonPath("$.cart.id").saveAs("cart")))
    .exec(http("order").post("/orders").header("Content-Type", "application/json")
      .body(StringBody("{{\\"cart\\": \\"#{{cart}}\\"}}")).check(substring("\\"state\\": \\"paid\\"").exists))
    .exec(http("log out").get("/logout"))
  setUp(journey.inject(constantUsersPerSec({rate}).during({seconds})).protocols(http.baseUrl("{url}")))
}}
"""
LOCUSTFILE = """
import csv, itertools, re
from locust import FastHttpUser, task

ROWS = itertools.cycle(list(csv.DictReader(open("people.csv"))))
TOKEN = re.compile(r'name="token" value="([^"]+)"')

class Customer(FastHttpUser):
    def asserted(self, response, pattern):
        if not re.search(pattern, response.text):
            response.failure(f"no {pattern}")

    @task
    def journey(self):
        row = next(ROWS)
        self.client.post("/login", {"user": row["user"], "password": row["password"]}, name="log in")
        with self.client.get("/items", name="list", catch_response=True) as response:
            self.asserted(response, "40 items found")
        with self.client.get(f"/items/{row['item']}", name="open", catch_response=True) as response:
            self.asserted(response, "<h1>Item [0-9]+</h1>")
            token = TOKEN.search(response.text)[1]
        response = self.client.post("/cart", {"item": row["item"], "token": token}, name="cart")
        cart = response.json()["cart"]["id"]
        with self.client.post("/orders", json={"cart": cart}, name="order", catch_response=True) as response:
            self.asserted(response, '"state": "paid"')
        self.client.get("/logout", name="log out")
"""


@contextmanager
def shop(folder: Path, *options: str, port: int = PORT) -> Iterator[str]:
    """Yields the address of a server process of bench/journey-shop, which is built first."""
    program = folder / "journey-shop"
    if not program.exists():
        build = [sys.executable, str(ROOT / "tools" / "golang.py"), str(HERE / "journey-shop"), "build", "-o", program]
        subprocess.run([*map(str, build), "."], check=True)
    process = subprocess.Popen(
        [program, *options, f"127.0.0.1:{port}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "GOMAXPROCS": "1"},
    )  # fmt: skip
    try:
        assert process.stdout and process.stdout.readline() == b"ready\n"
        yield f"{'https' if {'-tls', '-http2'} & set(options) else 'http'}://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def facts(url: str) -> dict[str, int]:
    context = ssl._create_unverified_context()  # noqa: S323 - the server is on loopback
    with urllib.request.urlopen(f"{url}/facts", context=context) as response:  # noqa: S310
        return dict(json.load(response))


def people(folder: Path, servers: Sequence[str] = ("",)) -> None:
    """Writes the data: 40 rows, times the servers."""
    with (folder / "people.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("user", "password", "item", "server"))
        for number in range(ITEMS * len(servers)):
            rows.writerow((f"user-{number}", PASSWORD, number % ITEMS, servers[number % len(servers)]))


def journey(server: str = "", think: str = "") -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = [
        {"label": "log in", "url": "/login", "method": "POST",
         "body": {"user": "${user}", "password": "${password}"}},
        {"label": "list", "url": "/items", "assert": [{"contains": ["40 items found"], "regexp": False}]},
        {"label": "open", "url": "/items/${item}", "assert": [{"contains": ["<h1>Item [0-9]+</h1>"], "regexp": True}],
         "extract-regexp": {"token": 'name="token" value="([^"]+)"'}},
        {"label": "cart", "url": "/cart", "method": "POST", "body": {"item": "${item}", "token": "${token}"},
         "extract-jsonpath": {"cart": "$.cart.id"}},
        {"label": "order", "url": "/orders", "method": "POST", "headers": {"Content-Type": "application/json"},
         "body": '{"cart": "${cart}"}', "assert": [{"contains": ['"state": "paid"'], "regexp": False}]},
        {"label": "log out", "url": "/logout"},
    ]  # fmt: skip
    pause = {"think-time": think} if think else {}
    return [{**request, "url": server + request["url"], **pause} for request in requests]


def suite(engine: str, url: str, rate: int, folder: Path) -> dict[str, Any]:
    """Returns the suite of an engine; writes the files that it names."""
    people(folder)
    seconds = SECONDS.get(engine, (3, 11))[1]
    execution: dict[str, Any] = {"executor": engine, "concurrency": 10, "hold-for": f"{seconds}s", "scenario": "shop"}
    scenario: dict[str, Any] = {
        "default-address": url, "keepalive": True, "store-cookie": True, "retrieve-resources": False,
        "data-sources": [{"path": "people.csv"}], "requests": journey(),
    }  # fmt: skip
    settings: dict[str, Any] = {}
    if engine in OURS:
        execution["executor"] = "toril"
        settings["engine"] = {"insecure": True}
    if engine == "arrivals":
        del execution["concurrency"]
        settings["arrivals"] = f"{rate}/s"
    if engine == "gatling":
        del scenario["keepalive"]
    if engine == "gatling-arrivals":
        (folder / "Shop.scala").write_text(SIMULATION.format(rate=GATLING_RATE, seconds=seconds, url=url))
        execution = {"executor": "gatling", "hold-for": f"{seconds}s", "scenario": "shop"}
        scenario = {"script": "Shop.scala", "default-address": url, "files": ["people.csv"]}
    if engine == "locust":
        (folder / "shop.py").write_text(LOCUSTFILE)
        scenario = {"script": "shop.py", "default-address": url, "files": ["people.csv"]}
    return {"execution": [execution], "scenarios": {"shop": scenario}, "toril": settings}


@contextmanager
def running(folder: Path, wanted: dict[str, Any]) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """Starts `toril run` with one worker. Yields its process and its store."""
    (folder / "suite.yml").write_text(json.dumps(wanted))
    store = Path(tempfile.mkdtemp(dir=folder))
    command = [sys.executable, "-m", "toril", "run", folder / "suite.yml", "--store", store, "--workers", "1"]
    process = subprocess.Popen([*map(str, command), "--quiet", "--fail-on", "none"], stdout=subprocess.DEVNULL)
    try:
        yield process, store
        if process.wait():
            raise SystemExit(f"toril run failed: exit code {process.returncode}")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def requests_of(store: Path) -> dict[str, Any]:
    summary = json.loads(next(store.glob("runs/*/summary.json")).read_text())
    return dict(summary["labels"][""])


def by_toril(engine: str, url: str, folder: Path, rate: int, http2: bool) -> Measured:
    wanted = suite(engine, url, rate, folder)
    if http2:
        wanted["toril"]["engine"]["http2"] = True
    before = facts(url)
    with running(folder, wanted) as (_, store):
        pass
    after, found = facts(url), requests_of(store)
    # The answers of an iteration that the end interrupts count for the server only.
    answered, refused = after["answered"] - before["answered"], after["refused"] - before["refused"]
    if refused or found["failures"] or not found["samples"] <= answered <= found["samples"] + 200:
        print(f"{engine}: {answered} answered, {refused} refused, {found['samples']} samples,", file=sys.stderr)
        print(f"{found['failures']} failures: {found.get('errors')}", file=sys.stderr)
    warm_s, seconds = SECONDS.get(engine, (3, 11))
    files = sorted(store.glob("runs/*/workers/*/*/intervals-*"))
    return steady([decode(path.read_bytes(), path.name) for path in files], warm_s, seconds - 1)


def wrk(url: str) -> Measured:
    """Runs wrk on a plain page as fast as possible: the speed of the machine."""
    before = children_cpu_s()
    done = subprocess.run(["wrk", "-t1", "-c10", "-d4s", f"{url}/plain"], check=True, stdout=subprocess.PIPE, text=True)
    samples = int(done.stdout[: done.stdout.index(" requests in ")].split()[-1])
    return Measured((children_cpu_s() - before) / samples * 1e6, samples / 4)


def measure(asked: argparse.Namespace, folder: Path) -> None:
    unfit = {*NO_CERTIFICATE} if asked.tls else {*ENGINES} - {*OURS} if asked.http2 else set[str]()
    engines = [engine for engine in asked.engines if engine not in unfit and (engine != "wrk" or shutil.which("wrk"))]
    found: dict[str, list[Measured]] = {engine: [] for engine in engines}
    with shop(folder, *(["-tls"] if asked.tls else ["-http2"] if asked.http2 else [])) as url:
        for _ in range(asked.rounds):
            for engine in engines:
                own = Path(tempfile.mkdtemp(dir=folder))
                found[engine].append(
                    wrk(url) if engine == "wrk" else by_toril(engine, url, own, asked.rate, asked.http2)
                )
                print(f"{engine}: {1e6 / found[engine][-1].cpu_us:,.0f}", file=sys.stderr)
    sys.stdout.write(HEAD)
    for engine in engines:
        sys.stdout.write(row(engine, found))
    print(f"\nLoad average of the machine at the end: {os.getloadavg()[0]:.1f}")


def row(engine: str, found: dict[str, list[Measured]]) -> str:
    """Returns a table row of medians. Ratios are medians of the ratios of the rounds."""
    cpu_us = statistics.median(one.cpu_us for one in found[engine])
    rps = statistics.median(one.rps for one in found[engine])
    ratios = " | ".join(ratio(engine, peer, found) for peer in PEERS)
    return f"| {engine} | {1e6 / cpu_us:,.0f} | {cpu_us:.1f} | {ratios} | {rps:,.0f} |\n"


# --- Memory of thinking users


@dataclass(slots=True)
class Memory:
    """Bytes: resident of the engine, and of the kernel for the sockets of both sides."""

    resident: int = 0
    peak: int = 0
    sockets: int = 0
    sockets_bytes: int = 0


def sockets() -> tuple[int, int]:
    """Returns the number of TCP sockets, and the memory that the kernel has for their data."""
    words = next(
        line for line in Path("/proc/net/sockstat").read_text().splitlines() if line.startswith("TCP:")
    ).split()
    values = dict(zip(words[1::2], map(int, words[2::2]), strict=True))
    return values["alloc"], values["mem"] * os.sysconf("SC_PAGE_SIZE")


def thinking(asked: argparse.Namespace, folder: Path) -> None:
    users, hold_s = asked.memory, 40
    ramp_s = max(10, users // 2000)
    with ExitStack() as stack:
        count = -(-users // FILES)
        first = [PORT + number * PORTS for number in range(count)]
        urls = [stack.enter_context(shop(folder, "-ports", str(PORTS), port=port)) for port in first]
        people(folder, [f"http://127.0.0.1:{port + number}" for port in first for number in range(PORTS)])
        loop = {"loop": "forever", "do": journey("${server}", f"{THINK_S}s")}  # one row of data for each user
        scenario = {"keepalive": True, "data-sources": [{"path": "people.csv"}], "requests": [loop]}
        execution = {"executor": "toril", "concurrency": users, "ramp-up": f"{ramp_s}s", "hold-for": f"{hold_s}s"}
        wanted = {"execution": [{**execution, "scenario": "shop"}], "scenarios": {"shop": scenario}}
        before, held = sockets(), Memory()
        with running(folder, wanted) as (process, store):
            while process.poll() is None:
                with suppress(psutil.Error, StopIteration):
                    watch(psutil.Process(process.pid), held, before)
                time.sleep(1)
        files = sorted(store.glob("runs/*/workers/*/*/intervals-*"))
        reached = steady([decode(path.read_bytes(), path.name) for path in files], ramp_s + 5, ramp_s + hold_s - 2)
        found, answered = requests_of(store), [facts(url) for url in urls]
        verdict = json.loads(next(store.glob("runs/*/verdict.json")).read_text())
    print("\n| users who think 10 s | engine's memory | a user (goal 8 KiB) | peak | rate: due, done | p99 |")
    print("|---|---|---|---|---|---|")
    p99 = found["response_us"]["p99"] / 1000
    print(
        f"| {users:,} | {held.resident / 2**20:.0f} MiB | **{held.resident / users / 1024:.1f} KiB** "
        f"| {held.peak / 2**20:.0f} MiB | {users / THINK_S:,.0f}, {reached.rps:,.0f} | {p99:.1f} ms |"
    )
    print(
        f"\nSockets of both sides: {held.sockets:,}, with {held.sockets_bytes / 2**20:.1f} MiB of data in the kernel. "
        f"{1e6 / reached.cpu_us:,.0f} requests per CPU-second. "
        f"{found['samples']:,} samples, {found['failures']} failures; "
        f"{sum(one['answered'] for one in answered):,} answered, {sum(one['refused'] for one in answered)} refused. "
        f"Verdict: {verdict['outcome']} {[reason['message'] for reason in verdict['reasons']]}."
    )


def watch(toril: psutil.Process, held: Memory, before: tuple[int, int]) -> None:
    """Notes the memory while the most users are there."""
    engine = next(child for child in toril.children(recursive=True) if child.name().startswith("toril-engine"))
    held.resident = engine.memory_info().rss
    held.peak = max(held.peak, held.resident)
    count, size = sockets()
    if count - before[0] >= held.sockets:
        held.sockets, held.sockets_bytes = count - before[0], size - before[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=list(ENGINES), help="of " + ", ".join(ENGINES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=4_000, help="Journeys per second for arrivals.")
    parser.add_argument("--memory", type=int, help="Number of thinking users.")
    protocol = parser.add_mutually_exclusive_group()
    protocol.add_argument("--tls", action="store_true")
    protocol.add_argument("--http2", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        (thinking if asked.memory else measure)(asked, Path(name))


if __name__ == "__main__":
    main()
