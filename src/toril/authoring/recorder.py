"""`toril record`: opens Chromium, and records what a person or a script does in it.

Chromium writes a HAR. It is completed with the steps, and with bodies that it lacks, and then read as any other HAR.
Until then it is in a temporary folder that only its owner can read.
"""

import inspect
import json
import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from toril.authoring.correlation.values import route_of
from toril.authoring.messages import Action, Answer, Bar, Body, Html, Opened, Part, SentFile, message_of
from toril.authoring.options import ImportOptions
from toril.authoring.readers import Input, read
from toril.authoring.readers.source import headers, value_of
from toril.authoring.recorded import MOST_BYTES_OF_BODY, MOST_EXAMPLES, LeftOut, Recorded, host_of
from toril.errors import InfrastructureError, Note, OptionError
from toril.programs import chromium
from toril.signals import caught_interrupts

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

BINDING = "torilRecorder"  # the script in the pages removes this name
LARGEST_FILE = 10 << 20  # bytes of an upload
FILES_S = 5.0  # longest wait for the content of uploads
POLL_MS = 200
PACKAGES = "site-packages"
NO_SERVICES = ("--gaia-url=http://127.0.0.1:9", "--component-updater=url-source=http://127.0.0.1:9/")  # of Google
SAMPLE = "data:;base64," + "dG9yaWwg" * 170  # 1 KiB, instead of a file
NO_CHROMIUM = "Chromium is not installed. Install Debian's `chromium` or Google Chrome, or set TORIL_CHROMIUM."
NO_SCREEN = "This machine has no screen, so a person cannot use Chromium. Record with --script."
NO_PLAYWRIGHT = "Playwright is not installed. Install toril with the extra `browser`."

Drive = Callable[["Page", "Tape"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOptions:
    """The options of a recording."""

    url: str
    steps: tuple[str, ...] = ()  # names of the steps, in order
    script: Path | None = None  # a Playwright script that records without a person
    twice: bool = False  # whether the script makes a second observation
    device: str = ""
    insecure: bool = False
    har: Path | None = None  # where to keep the recording; `second_of` it: the second one


class Step(NamedTuple):
    """One step of the journey, from a time on."""

    at_s: float  # since the epoch
    name: str


@dataclass(kw_only=True)  # Playwright marks it, so it has no slots
class Tape:
    """What pages and script report while Chromium records."""

    names: Sequence[str] = ()  # of the steps, in order
    steps: list[Step] = field(default_factory=list)
    bodies: list[tuple[str, Body]] = field(default_factory=list)  # each with the origin of its frame
    answers: list[tuple[str, Html | Answer]] = field(default_factory=list)  # pages as they were left, and responses
    downloads: list[str] = field(default_factory=list)  # addresses; a HAR lacks these requests
    files: dict[str, str | None] = field(default_factory=dict)  # data: addresses by key; None: too large
    lost: list[str] = field(default_factory=list)  # names of files without content
    actions: list[Action | Opened] = field(default_factory=list)  # of a person
    ended_at: str = ""  # the address of the last page
    up: bool = False  # whether the bar is at the upper edge
    done: bool = False

    def heard(self, source: Any, data: object) -> dict[str, Any] | None:
        """Takes a message of a page, and answers those of the bar with the current step.

        A frame reports only its own requests and documents. Only the page's own document reports actions and steps.
        """
        frame, message = source["frame"], message_of(data)
        origin, is_page = host_of(frame.url), frame.parent_frame is None
        match message:
            case Body():
                self.bodies.append((origin, message))
            case Html() if host_of(message.url) == origin:
                self.answers.append((origin, message))
            case Answer():
                self.answers.append((origin, message))
            case SentFile():
                self.files.setdefault(message.key, message.data)
            case Action() | Opened() if is_page:
                self.actions.append(message)
            case Bar(kind="done") if is_page:
                self.done = True
            case Bar() if is_page:
                return self._bar(message.kind, message.at / 1000, message.name)
        return None

    def _bar(self, kind: str, at_s: float, name: str) -> dict[str, Any]:
        steps = self.steps
        if not steps:
            steps.append(Step(at_s=0, name=self._name(0)))
        if kind == "step":
            steps.append(Step(at_s=at_s, name=self._name(len(steps))))
        elif kind == "undo" and len(steps) > 1:
            steps.pop()
        elif kind == "move":
            self.up = not self.up
        elif kind == "rename" and name.strip():
            steps[-1] = Step(at_s=steps[-1].at_s, name=name.strip())
        return {"name": steps[-1].name, "count": len(steps), "up": self.up}

    def _name(self, index: int) -> str:
        return self.names[index] if index < len(self.names) else f"Step {index + 1}"

    @property
    def named(self) -> bool:
        """Whether a person or the script has named or separated steps."""
        return len(self.steps) > 1 or any(step.name != self._name(0) for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """A recording, and what is needed for a Playwright script of the same journey."""

    recorded: Recorded
    second: Recorded | None = None
    tape: Tape = field(default_factory=Tape)


def record(options: RecordOptions) -> Journey:
    """Records a journey; InfrastructureError without Playwright or Chromium."""
    if options.har is not None and not options.har.parent.is_dir():
        raise OptionError(f"--har {options.har}: no such folder. Create it.", code="unwritable-file")
    headless = options.script is not None
    drive = partial(_script, options.script.resolve()) if options.script else partial(_person, options.url)
    with (
        _terminable(),
        TemporaryDirectory(prefix="toril-record-") as folder,
        launched(headless=headless) as (playwright, browser),
    ):
        if options.device not in ("", *playwright.devices):
            fix = "Use a name of Playwright's list, such as Pixel 7."
            raise OptionError(f"--device `{options.device}`: unknown. {fix}", code="unknown-value")
        device = playwright.devices.get(options.device, {} if headless else {"no_viewport": True})
        har = Path(folder) / "recording.har"
        passes = []
        for _ in range(2 if options.twice else 1):
            tape = taped(browser, options, har, drive, **device)
            if options.script and options.steps and tape.steps:
                text = "--steps: the transactions of the script name the steps. Remove --steps."
                raise OptionError(text, code="conflicting-options")
            if not har.exists():
                raise InfrastructureError("Chromium ended before it wrote the recording. Try again.", code="no-browser")
            passes.append((tape, completed(json.loads(har.read_bytes()), tape)))
            har.unlink()
    if options.har is not None:
        for path, (_, log) in zip((options.har, second_of(options.har)), passes, strict=False):
            _keep(path, log)
    name = urlsplit(options.url).hostname or "recording"
    first, *others = (read(Input(data=json.dumps(log).encode(), name=name), ImportOptions()) for _, log in passes)
    tape = passes[0][0]
    if tape.lost:
        text = f"Samples of 1 KiB replace files that are too large or could not be read: {', '.join(tape.lost)}."
        first = replace(first, notes=(*first.notes, Note("file-replaced", text)))
    if names := tape.downloads:
        why = "Chromium saves them without a recording; add their requests by hand"
        shown = tuple(f"GET {name.partition('?')[0]}" for name in names[:MOST_EXAMPLES])
        missed = LeftOut(what="downloads", why=why, count=len(names), examples=shown)
        first = replace(first, left_out=(*first.left_out, missed))
    return Journey(recorded=first, second=next(iter(others), None), tape=tape)


@contextmanager
def _terminable() -> Iterator[None]:
    """Makes SIGTERM end the block as Ctrl-C does, so that the recording is removed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def launched(*, headless: bool) -> Iterator[tuple["Playwright", "Browser"]]:
    """Starts Chromium for the block."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise InfrastructureError(NO_PLAYWRIGHT, code="no-playwright") from error
    if (program := chromium()) is None:
        raise InfrastructureError(NO_CHROMIUM, code="no-chromium")
    if not headless and sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        raise InfrastructureError(NO_SCREEN, code="no-screen")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=program,
                headless=headless,
                chromium_sandbox=os.geteuid() != 0,
                handle_sigint=False,  # Ctrl-C ends a recording, which is then read
                args=["--disable-dev-shm-usage", *NO_SERVICES],
            )
        except Error as error:
            raise InfrastructureError(f"Chromium does not start: {error.message}", code="no-browser") from error
        try:
            yield playwright, browser
        finally:
            browser.close()


def taped(browser: "Browser", options: RecordOptions, har: Path, drive: Drive, **device: Any) -> Tape:
    """Records one journey in a new context of the browser, and writes its HAR."""
    context = browser.new_context(
        base_url=options.url,
        ignore_https_errors=options.insecure,
        service_workers="block",  # they would answer instead of the server
        record_har_path=har,
        record_har_content="embed",
        **device,
    )
    tape = Tape(names=options.steps)
    settings = {
        "binding": BINDING,
        "largest": LARGEST_FILE,
        "page": MOST_BYTES_OF_BODY,
        "person": options.script is None,
    }
    script = files("toril.authoring").joinpath("page/recorder.js").read_text(encoding="utf-8")
    try:
        context.expose_binding(BINDING, tape.heard)
        context.add_init_script(f"({script})({json.dumps(settings)})")
        context.on("page", lambda page: page.on("download", lambda download: tape.downloads.append(download.url)))
        page = context.new_page()
        drive(page, tape)
        _wait_for_files(tape, page)
    finally:
        context.close()  # writes the HAR
    return tape


def _person(url: str, page: "Page", tape: Tape) -> None:
    """Opens the address, and waits until the person ends the recording."""
    from playwright.sync_api import Error

    context = page.context
    with caught_interrupts() as interrupts:
        try:
            page.goto(url, wait_until="commit")  # a slow third party ends no recording
        except Error as error:
            fix = "Correct the address; for a certificate of your own, pass --insecure."
            raise OptionError(f"{url}: {error.message.splitlines()[0]}. {fix}", code="unreachable") from error
        while context.pages and not (tape.done or interrupts):
            with suppress(Error):  # the person has closed this page
                tape.ended_at = context.pages[-1].url
                context.pages[-1].wait_for_timeout(POLL_MS)


def _script(path: Path, page: "Page", tape: Tape) -> None:
    """Calls the functions `test_…(page)` of a Playwright script, as a suite would."""

    @contextmanager
    def transaction(name: str) -> Iterator[None]:
        tape.steps.append(Step(at_s=time.time(), name=name))
        yield

    apiritif = ModuleType("apiritif")  # a recording needs nothing else of it
    apiritif.__dict__.update(transaction=transaction, smart_transaction=transaction)
    before = {**sys.modules}
    sys.modules["apiritif"] = apiritif
    sys.path.insert(0, str(path.parent))
    try:
        tests = [
            test
            for name, test in runpy.run_path(str(path)).items()
            if name.startswith("test_") and inspect.isfunction(test) and "page" in inspect.signature(test).parameters
        ]
        for test in tests:
            test(page)
    except Exception as error:
        raise OptionError(f"{path} failed:\n{_traceback(error, path)}", code="script-failed") from error
    finally:
        sys.path.remove(str(path.parent))
        sys.modules.pop("apiritif")
        sys.modules.update(before)
    if not tests:
        raise OptionError(f"{path}: no test. Write a function `def test_…(page):`.", code="no-test")


def _traceback(error: Exception, path: Path) -> str:
    """Returns the traceback with the lines of the script and of modules beside it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [at for at in frames if Path(at.filename).is_relative_to(path.parent) and PACKAGES not in at.filename]
    head = "Traceback (most recent call last):\n"
    return "".join((head, *traceback.format_list(own), *traceback.format_exception_only(error))).strip()


def _wait_for_files(tape: Tape, page: "Page") -> None:
    from playwright.sync_api import Error

    wanted = {part.key for _, body in tape.bodies for part in body.parts if part.key}
    ends = time.monotonic() + FILES_S
    while wanted - tape.files.keys() and time.monotonic() < ends and not page.is_closed():
        with suppress(Error):
            page.wait_for_timeout(20)


def completed(har: dict[str, Any], tape: Tape) -> dict[str, Any]:
    """Returns the HAR with the steps as its pages, and with the bodies that it lacks.

    Unless steps are named, each opened document is one.
    """
    entries = har["log"]["entries"]
    _fill(entries, tape)
    _fill_answers(entries, tape)
    if not tape.named:
        tape.steps = _by_document(entries, tape.names) or tape.steps
    for entry in entries:
        entry["pageref"] = str(sum(step.at_s < _started_s(entry) + 0.001 for step in tape.steps))
    har["log"]["pages"] = [
        {"id": str(number), "title": step.name, "startedDateTime": "", "pageTimings": {}}
        for number, step in enumerate(tape.steps, start=1)
    ]
    return har


def _by_document(entries: Sequence[dict[str, Any]], names: Sequence[str]) -> list[Step]:
    """Returns a step for each document that was opened, with the given names or else a part of its address."""
    targets: set[str] = set()  # of redirects so far; a page may redirect to itself
    opened = []
    for entry in entries:
        if entry.get("_resourceType") == "document" and entry["request"]["url"] not in targets:
            opened.append(entry)
        targets.add(entry["response"].get("redirectURL", ""))
    routes = (route_of(entry["request"]["url"]).replace("{}", "{id}") for entry in opened)
    titles = names or [f"Open {route}" for route in routes]
    return [Step(at_s=_started_s(entry), name=name) for entry, name in zip(opened, titles, strict=False)]


def _fill(entries: Sequence[dict[str, Any]], tape: Tape) -> None:
    """Gives each reported body to the request of its address that began nearest, if that has none."""
    taken: set[int] = set()
    for origin, body in tape.bodies:
        alike = [
            index
            for index, entry in enumerate(entries)
            if index not in taken
            and entry["request"]["method"] == body.method
            and entry["request"]["url"].partition("#")[0] == body.url.partition("#")[0]
            and _sender(entry["request"]) == origin
        ]
        if not alike:
            continue  # the application has prevented the form's own request
        nearest = min(alike, key=lambda index: abs(_started_s(entries[index]) - body.at / 1000))
        taken.add(nearest)
        request = entries[nearest]["request"]
        known = request.get("postData") or {}
        if not known.get("text") and not known.get("params"):
            request["postData"] = _post_data(body, tape)


def _sender(request: Mapping[str, Any]) -> str:
    """Returns the origin of the document that sent the request."""
    sent = value_of("origin", headers(request.get("headers")))
    return host_of(request["url"]) if sent in ("", "null") else sent


def _fill_answers(entries: Sequence[dict[str, Any]], tape: Tape) -> None:
    """Gives each reported page and response to the latest request of its address that lacks content."""
    for origin, reply in tape.answers:
        for entry in reversed(entries):
            request, answer = entry["request"], entry["response"]
            same = request["url"].partition("#")[0] == reply.url.partition("#")[0]
            if isinstance(reply, Answer):
                own = (request["method"], _sender(request)) == (reply.method, origin)
            else:
                own = entry.get("_resourceType") == "document" and not answer.get("redirectURL")
            if same and own and _started_s(entry) <= reply.at / 1000:
                content = answer["content"]
                content["text"] = content.get("text") or reply.text
                break


def _post_data(body: Body, tape: Tape) -> dict[str, Any]:
    """Returns a HAR's `postData`; the content of a file is a data: address."""

    def content(part: Part) -> str:
        data = tape.files.get(part.key)
        if data is None:
            tape.lost.append(part.file or "a body")
        return data or SAMPLE

    if not body.form:
        (part,) = body.parts
        return {"mimeType": part.type, "text": content(part).partition(",")[2], "encoding": "base64"}
    params = [
        {"name": part.name, "fileName": part.file, "contentType": part.type, "value": content(part)}
        if part.key
        else {"name": part.name, "value": part.value}
        for part in body.parts
    ]
    return {"mimeType": "multipart/form-data", "params": params}


def _started_s(entry: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(entry["startedDateTime"]).timestamp()


def second_of(har: Path) -> Path:
    """Returns the file of the second recording.

    >>> second_of(Path("shop.har"))
    PosixPath('shop-2.har')
    """
    return har.with_stem(f"{har.stem}-2")


def _keep(path: Path, har: Mapping[str, Any]) -> None:
    """Writes the recording, which has credentials, for its owner alone."""
    beside = path.with_name(f"{path.name}.part")  # an older file stays until the new one is complete
    try:
        beside.unlink(missing_ok=True)
        beside.touch(mode=0o600)
        beside.write_text(json.dumps(har, ensure_ascii=False, indent=1), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise OptionError(f"--har {path}: cannot write it: {error.strerror}.", code="unwritable-file") from error
