"""Steps of a journey in a browser: what the page says of itself when one ends, and what is kept when one fails.

Loaded by path into Apiritif's process (`beside` in `apiritif/wrapper.py`), so that it imports nothing of toril. A step
is a transaction with none inside, a sample of the kind `request`; those around it are of the kind `transaction`. When a
step ends on another page than it began on, that page's own times are samples of the kind `timing`, with own labels.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,var-annotated,attr-defined,arg-type,union-attr"

import contextlib
import importlib.util
import threading
import time
from pathlib import Path

TIMINGS = (("ttfb", "TTFB"), ("dom", "DOM ready"), ("lcp", "LCP"))
STARTED = "browser start"  # the label of how long a browser took until it could be used
GROUP_MARK = "toril-group:"  # apiritif_wrapper.py
SETTLE_MS = 500  # at most, for what has come and is not painted yet
PAINT_MS = 50  # from a frame to what the browser tells of its paint

# The page's own clock; what it does not know is null. Asked after a step's time has been taken. `since` is in ms. When
# the network is slowed down Chromium's mark of the first byte lies below what slows it: its beginning counts.
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


def beside(name):
    """A module of this folder, which must not be on the path: it has a selenium.py and a playwright.py."""
    spec = importlib.util.spec_from_file_location(f"toril_{Path(name).name}", Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tidy, Evidence = beside("tidy"), beside("evidence").Evidence
Sample = beside("../apiritif/samples").Sample


def begin(told, recorder, user, records, load):
    """Have the recorder ask browsers; to be called before anything is recorded."""
    tidy.leave_none_behind()
    steps = Steps(told, user, records, load)
    steps.hear(recorder)
    steps.driver = beside(f"drive_{told['browser']['driver']}").Driver(told["browser"], steps)
    return steps


def worded(message):
    """The first line, and what was waited for: Playwright's call log has it, many lines below."""
    lines = [line.strip(" -") for line in str(message).splitlines() if line.strip()]
    waiting = next((line for line in lines[1:] if line.startswith("waiting for")), "")
    return " ".join([*lines[:1], *([waiting] if waiting else [])])


class Steps:
    """What all users' browsers have in common."""

    def __init__(self, told, user, records, load) -> None:
        self.user, self.records, self.load = user, records, load
        self._slowed = told["browser"]["network"] is not None
        self.evidence = Evidence(Path(told["folder"]) / "kept", traces=told["browser"]["traces"])
        self.driver = None
        self._seen = threading.local()

    def hear(self, recorder) -> None:
        """Take the place of what the recorder does with transactions."""
        start, end = recorder.record_transaction_start, recorder.record_transaction_end

        def record_transaction_start(tran) -> None:
            self.load.admit()
            label = tran.name.removeprefix(GROUP_MARK)
            self.records.in_flight[threading.get_ident()] = (label, tran.start_time())
            start(tran)

        def record_transaction_end(tran) -> None:
            asked_s = self.user.frames[-1].asked_s if self.user.frames else 0.0
            before = len(self.user.pending)
            tran.error_message = worded(tran.error_message or "")
            end(tran)
            for sample in self.user.pending[before:]:
                sample.response_us = max(0, sample.response_us - round(asked_s * 1e6))
                if sample.kind == "request":
                    self.ended(sample)
            self.records.in_flight.pop(threading.get_ident(), None)

        recorder.record_transaction_start = record_transaction_start
        recorder.record_transaction_end = record_transaction_end

    def prepare(self, script) -> None:
        """The script has been read."""
        self.driver.prepare(script)

    def started(self, began_s) -> None:
        """This user's browser can be used."""
        self.records.write(Sample("timing", STARTED, began_s, time.time() - began_s))
        self.seen(None)

    def seen(self, origin) -> None:
        """The page whose times this user's steps have told of."""
        self._seen.origin = origin

    @staticmethod
    def worded(error):
        """A failure outside of steps, as it would be told of one."""
        return worded(f"{type(error).__name__}: {error}")

    @staticmethod
    def sample(label, began_s):
        """A step that ends now."""
        return Sample("request", label, began_s, time.time() - began_s)

    def ended(self, sample) -> None:
        """A step has: ask its page, and keep what there is to see of a failure."""
        clock = time.perf_counter()
        page = self.driver.page()
        if page is not None:
            self._ask(page, sample)
            if not sample.ok:
                self.evidence.keep(page, sample.label, sample.message, sample.started_us / 1e6)
        for frame in self.user.frames:
            frame.samples.append(sample)
            frame.asked_s += time.perf_counter() - clock

    def _ask(self, page, sample) -> None:
        found = None
        with contextlib.suppress(page.Unanswered):  # it has gone elsewhere, crashed, or shows a dialog
            found = page.ask(ASK, [sample.started_us / 1e3, self._slowed])
        if not found:
            return
        sample.bytes = round(found["bytes"])
        if found["origin"] == getattr(self._seen, "origin", None):
            return
        self.seen(found["origin"])
        status = found["status"] or 0
        sample.rc = sample.rc or str(status or "")
        if status >= 400:
            sample.fail(f"the page answered with {status}")
        if not sample.ok:
            return
        for name, shown in TIMINGS:
            if found[name] is not None:
                timing = Sample("timing", f"{sample.label} ({shown})", found["origin"] / 1e3, found[name] / 1e3)
                self.records.write(timing)
        if found["ttfb"] is not None:
            sample.ttfb_us = round(found["ttfb"] * 1e3)

    def end(self) -> None:
        """No browser is left."""
        tidy.kill_descendants()
