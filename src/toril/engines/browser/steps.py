"""Steps of a journey in a browser: the page's own times at the end of each, and evidence of the first failures.

Loaded by path into Apiritif's process (`in_process.load_module`), so that it imports nothing of toril. A step
is a transaction without another one inside, and a sample of the kind `request`; transactions around steps are of the
kind `transaction`. If a step ends on a new page, the new page's own times are samples of the kind `timing` with their
own labels. `worker/capture.py` reads the evidence.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,var-annotated,attr-defined,arg-type,union-attr"

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil

sys.path.append(str(Path(__file__).parents[1]))
import in_process  # type: ignore[import-not-found]

sys.path.pop()

TIMINGS = (("ttfb", "TTFB"), ("dom", "DOM ready"), ("lcp", "LCP"))
STARTED = "browser start"  # the label of the time until a browser was ready
SETTLE_MS = 500  # longest wait for content that has arrived and is not painted yet
PAINT_MS = 50  # from a frame to the browser's report of its paint
MOST = 3  # kept failures of an execution, in one worker
SOURCE_CHARS = 200_000
CONSOLE_LINES = 200
PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
KILL_WAIT_S = 2.0

# Returns times by the page's own clock; unknown ones are null. It runs after the step was timed. `since` is in ms. With
# a slowed network Chromium's mark of the first byte lies below the delay, so the start of the document counts.
ASK = """
async ([since, slowed]) => {
  const frame = new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, PAINT_MS))));
  await Promise.race([frame, new Promise((done) => setTimeout(done, SETTLE_MS))]);

  const [navigation] = performance.getEntriesByType('navigation');
  if (!navigation || !/^https?:/.test(location.href)) return null;
  let lcp = null;

  await new Promise((done) => {
    const take = (entries) => { for (const entry of entries) lcp = entry.startTime; };
    let observer = null;
    try {
      observer = new PerformanceObserver((list) => take(list.getEntries()));
      observer.observe({type: 'largest-contentful-paint', buffered: true});

    } catch (unknown) { done(); return; }
    setTimeout(() => { take(observer.takeRecords()); observer.disconnect(); done(); }, 0);
  });

  const origin = performance.timeOrigin, {domLoading, navigationStart} = performance.timing;
  const all = [navigation, ...performance.getEntriesByType('resource')];
  const bytes = all.filter((one) => origin + one.startTime >= since).reduce((sum, one) => sum + one.transferSize, 0);

  return {
    ttfb: (slowed ? domLoading - navigationStart : navigation.responseStart) || null,
    origin, lcp, bytes, dom: navigation.domContentLoadedEventEnd || null,
    status: navigation.responseStatus || null,
  };
}
""".replace("SETTLE_MS", str(SETTLE_MS)).replace("PAINT_MS", str(PAINT_MS))


SAMPLES = in_process.load_module("apiritif/samples")
Sample = SAMPLES.Sample


def begin(settings, recorder, user, records, load, keeper):
    """Connect the recorder to browsers; to be called before it records anything."""
    kill_descendants_at_end()
    steps = Steps(settings, user, records, load)
    steps.keeper = keeper
    steps.connect(recorder)
    steps.driver = in_process.load_module(f"browser/drive_{settings['browser']['driver']}").Driver(
        settings["browser"], steps
    )
    return steps


def shortened(message):
    """Returns the message's first line and the awaited element, which Playwright's call log names further below."""
    lines = [line.strip(" -") for line in str(message).splitlines() if line.strip()]
    waiting = next((line for line in lines[1:] if line.startswith("waiting for")), "")
    return " ".join([*lines[:1], *([waiting] if waiting else [])])


class Steps:
    """The steps of all users of this process."""

    def __init__(self, settings, user, records, load) -> None:
        self.user, self.records, self.load = user, records, load
        self._slowed = settings["browser"]["network"] is not None
        self.evidence = StepEvidence(Path(settings["folder"]) / "evidence", traces=settings["browser"]["traces"])
        self.driver = self.keeper = None
        self._seen = threading.local()

    def connect(self, recorder) -> None:
        """Replace the recorder's handling of transactions."""
        start, end = recorder.record_transaction_start, recorder.record_transaction_end

        def record_transaction_start(tran) -> None:
            self.load.admit()
            label = tran.name.removeprefix(SAMPLES.GROUP_MARK)
            self.records.in_flight[threading.get_ident()] = (label, tran.start_time())
            start(tran)

        def record_transaction_end(tran) -> None:
            asked_s = self.user.frames[-1].asked_s if self.user.frames else 0.0
            before = len(self.user.pending)
            tran.error_message = shortened(tran.error_message or "")
            end(tran)
            for sample in self.user.pending[before:]:
                sample.response_us = max(0, sample.response_us - round(asked_s * 1e6))
                if sample.kind == "request":
                    self.ended(sample)
            self.records.in_flight.pop(threading.get_ident(), None)

        recorder.record_transaction_start = record_transaction_start
        recorder.record_transaction_end = record_transaction_end

    def started(self, began_s) -> None:
        """Record that this user's browser is ready."""
        self.records.write(Sample("timing", STARTED, began_s, time.time() - began_s))
        self.seen(None)

    def seen(self, origin) -> None:
        """Note the page whose times this user's steps have reported."""
        self._seen.origin = origin

    @staticmethod
    def message_of(error):
        """Returns the message of a failure outside of steps, in the form of a step's message."""
        return shortened(f"{type(error).__name__}: {error}")

    @staticmethod
    def sample(label, began_s):
        """Returns the sample of a step that ends now."""
        return Sample("request", label, began_s, time.time() - began_s)

    def ended(self, sample) -> None:
        """Query the page of a step that has ended, and keep evidence of a failure."""
        clock = time.perf_counter()
        page = self.driver.page()
        if page is not None:
            self._ask(page, sample)
            if not sample.ok:
                self.evidence.keep(page, sample.label, sample.message, sample.started_s)
        for frame in self.user.frames:
            frame.samples.append(sample)
            frame.asked_s += time.perf_counter() - clock

    def _ask(self, page, sample) -> None:
        vitals = None
        with contextlib.suppress(page.NoAnswer):  # the page navigates, has crashed, or shows a dialog
            vitals = page.ask(ASK, [sample.started_s * 1e3, self._slowed])
        if not vitals:
            return
        sample.bytes = round(vitals["bytes"])
        if vitals["origin"] == getattr(self._seen, "origin", None):
            return
        self.seen(vitals["origin"])
        status = vitals["status"] or 0
        sample.rc = sample.rc or str(status or "")
        if status >= 400:
            sample.fail(f"the page answered with {status}")
        if not sample.ok:
            return
        for name, shown in TIMINGS:
            if vitals[name] is not None:
                timing = Sample("timing", f"{sample.label} ({shown})", vitals["origin"] / 1e3, vitals[name] / 1e3)
                self.records.write(timing)
        if vitals["ttfb"] is not None:
            sample.ttfb_us = round(vitals["ttfb"] * 1e3)

    def end(self) -> None:
        """End all browsers."""
        kill_descendants()


class StepEvidence:
    """A folder with a picture, the page's source, its console and a trace of each of the first failures.

    `index.jsonl` has a line for each failure, written when its files are complete.
    """

    def __init__(self, folder, *, traces) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._kept = 0
        self.traces = traces  # whether a trace may leave the worker

    @property
    def wanted(self) -> bool:
        """Whether evidence of another failure may be kept."""
        return self._kept < MOST

    def keep(self, page, label, message, at_s) -> None:
        """Save the page's present state."""
        with self._lock:
            if not self.wanted:
                return
            self._kept += 1
            number = self._kept
        self._folder.mkdir(exist_ok=True)
        files = []
        for name, write in (
            (f"{number}.jpg", lambda path: path.write_bytes(page.picture())),
            (f"{number}.source.txt", lambda path: path.write_text(page.source()[:SOURCE_CHARS], errors="replace")),
            (f"{number}.console.txt", lambda path: path.write_text(_lines(page.console()), errors="replace")),
            (f"{number}.trace.zip", page.trace if self.traces else None),
        ):
            if write is None:
                continue
            with contextlib.suppress(page.NoAnswer):  # a crashed page does not answer
                write(self._folder / name)
            if (self._folder / name).is_file() and (self._folder / name).stat().st_size:
                files.append(name)
        line = json.dumps({"label": label, "message": message, "at_s": at_s, "files": files})
        with self._lock, (self._folder / "index.jsonl").open("a", encoding="utf-8") as index:
            index.write(line + "\n")


def _lines(texts) -> str:
    return "\n".join(str(text)[:1000] for text in texts[-CONSOLE_LINES:])


def kill_descendants_at_end() -> None:
    """End all descendants on SIGTERM, which this process also gets when its parent ends (Linux).

    Browsers run in process groups of their own, where signals to this process's group do not reach them.
    """
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: object) -> None:
    kill_descendants()
    os._exit(128 + number)


def kill_descendants() -> None:
    """Kill browsers, their drivers and their children."""
    children = psutil.Process().children(recursive=True)
    for process in children:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(children, timeout=KILL_WAIT_S)
