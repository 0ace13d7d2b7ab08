"""Compares a try of a suite with the recording that the suite was made from."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from urllib.parse import parse_qsl

from toril.authoring.pages import HtmlPage, having
from toril.authoring.recorded import Extract, is_login
from toril.authoring.shapes import MASKED, shape_of
from toril.authoring.writer import extractor_text
from toril.errors import StoreError, SuiteError
from toril.records import Plan, Verdict
from toril.records.evidence import MISSING_VALUE, NOT_FOUND, Exchange
from toril.records.recording import MOST_PATHS, RECORDING, BodyShape, RecordedStep, Recording
from toril.runs.trying import exchanges_after
from toril.secrets.masking import HIDDEN, mask_label
from toril.store import Store
from toril.suite import Suite
from toril.text import nearest
from toril.verdict import differing

MISSING = ("", NOT_FOUND)  # values of a variable whose extractor has found nothing
DIGITS = re.compile(r"\d+")  # of titles, such as an id
ID = re.compile(r"[^/]*(?:\d|\{\})[^/]*")  # in the action of a form
OWN_KEY = re.compile(r"(?:\.[^.\[]+|\['[^']*'\])\Z")
CREDENTIALS = "Check the credentials: the suite's README.md names their variables."
NEW_FIELD = "A form before this request may have a new hidden field. Record again."
BY_STATUS = {
    "401": CREDENTIALS,
    "403": f"{CREDENTIALS} {NEW_FIELD}",
    "404": "The address has a value of the recording. Extract it from an earlier response, or read it from a CSV file.",
    "409": "The service has this already. Take a field of the request from a CSV file.",
    "419": NEW_FIELD,
    "422": NEW_FIELD,
    "429": "The service limits the rate. Add think times.",
}
ELSE = "Read the response. If the service was changed on purpose, record again."
SESSION_ENDED = "The session has ended, or the log-in before it did not succeed."
FORM_REFUSED = "The response names the refused value. Take it from a CSV file if it has to be new each time."
NO_ANSWER = "Check that the service runs, and its address in `settings.env`."
FAULT = "Read the log of the service. It fails, or the request has a value that it does not expect."


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One step that did not go as recorded."""

    step: int = 0  # its number in the recording, from 1
    label: str = ""
    code: str  # status, log-in, content-type, shape, title, form, not-sent or missing-value
    recorded: str
    now: str
    proposal: str = ""  # what to change
    yaml: str = ""  # of a proposed rule
    because: str = ""  # the label of the earlier difference that this one follows from

    @property
    def change(self) -> str:
        if self.code in ("log-in", "not-sent"):
            return self.now
        return f"{self.code}: {self.recorded} → {self.now}"


def recording_of(suite: Suite) -> Recording | None:
    """Returns the recording in the folder of a suite; SuiteError if it is damaged."""
    path = suite.folder / RECORDING
    if Path(RECORDING) not in suite.files:
        return None
    try:
        return Recording.from_json(path.read_bytes(), RECORDING)
    except StoreError as error:
        raise SuiteError(f"{error}. Record again, or pass --no-compare.", code=error.code) from error


def comparison_of(recording: Recording | None, plan: Plan, store: Store) -> Callable[[Verdict], Verdict]:
    """Returns what compares a try with the recording of its suite, and fails its verdict.

    Without a recording, requests that end at a log-in page fail it.
    """

    def compared(verdict: Verdict) -> Verdict:
        shown = exchanges_after(store, plan.run_id, 0)[0]
        if recording is None:
            refused = _at_login(shown)
            return differing(verdict, _of_login(refused, shown), from_log_in=True) if refused else verdict
        gaps = differences(recording, shown)
        return differing(verdict, _headline(recording, gaps)) if gaps else verdict

    return compared


def _at_login(shown: Sequence[Exchange]) -> list[Exchange]:
    """Returns the requests that a redirect leads to a log-in page, of executions that only read and so never log in."""
    writing = {exchange.execution for exchange in shown if exchange.method not in ("GET", "HEAD", "OPTIONS")}

    def leads_there(exchange: Exchange) -> bool:
        if exchange.hops:  # the address is that of the last one
            return is_login(exchange.url)
        to = next((value for name, value in exchange.response_headers if name.lower() == "location"), "")
        return 300 <= (exchange.status or 0) < 400 and is_login(to) and not is_login(exchange.url)

    return [call for call in shown if call.ok and call.execution not in writing and leads_there(call)]


def _of_login(refused: Sequence[Exchange], shown: Sequence[Exchange]) -> str:
    of_all = f"{len(refused)} of {len(shown)} requests end at a log-in page, and the suite sends no log-in"
    fix = "Remove them, or record a journey that logs in (`toril record`)"
    return f"{of_all}, for example {refused[0].label or refused[0].url}. {fix}"


def _headline(recording: Recording, gaps: Sequence[Difference]) -> str:
    """Returns what happened first, and what to do."""
    whole, first = len(recording.steps), gaps[0]
    right = whole - len({difference.step for difference in gaps})
    happened = f"{first.label}: {first.change}. {first.proposal}".strip()
    return f"{happened} {right} of {whole} requests went as recorded"


def in_text(recording: Recording, gaps: Sequence[Difference]) -> Iterator[str]:
    """Yields the lines of a comparison for a terminal."""
    differing = len({difference.step for difference in gaps})
    total = len(recording.steps)
    yield f"replay: {total - differing} of {total} requests as recorded"
    for gap in gaps:
        follows = f" (follows from {gap.because})" if gap.because else ""
        yield f"  ✘ {gap.label}: {gap.change}{follows}"
        yield from (f"      {line}" for line in (*([gap.proposal] if gap.proposal else []), *gap.yaml.splitlines()))


def differences(recording: Recording, exchanges: Sequence[Exchange]) -> tuple[Difference, ...]:
    """Returns the differences between recorded steps and tried requests, aligned by label, in order."""
    sent = [exchange for exchange in exchanges if exchange.kind == "request"]
    blocks = SequenceMatcher(
        a=[mask_label(step.label) for step in recording.steps], b=[step.label for step in sent], autojunk=False
    ).get_matching_blocks()
    pairs = {block.a + place: block.b + place for block in blocks for place in range(block.size)}
    gaps: list[Difference] = []
    broken: dict[str, str] = {}  # variable → label of the step that should have brought it
    for index, step in enumerate(recording.steps):
        now = sent[pairs[index]] if index in pairs else None
        because = next((broken[name] for name in step.needs if name in broken), "")
        if now is None:  # a failed request ends its transaction
            because = because or (gaps[-1].because or gaps[-1].label if gaps else "")
            own = [Difference(code="not-sent", recorded="sent", now="not sent", proposal=ELSE)]
        else:
            own = [_with_proposal(difference, step, recording, now) for difference in _of_step(step, now)]
        given = {} if now is None else dict(now.variables)
        broken = {name: label for name, label in broken.items() if name not in step.gives}
        broken |= {name: step.label for name in step.gives if own and given.get(name, "") in MISSING}
        plain = {"proposal": "", "yaml": "", "because": because} if because else {}
        gaps += [replace(difference, step=index + 1, label=step.label, **plain) for difference in own]
    return tuple(gaps)


def _of_step(step: RecordedStep, now: Exchange) -> Iterator[Difference]:
    if step.status is not None and step.status != now.status:
        if now.rc == MISSING_VALUE:
            yield Difference(code="not-sent", recorded="sent", now=f"not sent: {now.error}")
            return
        answer = str(now.status) if now.status else now.rc or "no response"
        yield Difference(code="status", recorded=str(step.status), now=answer)
        return
    shape = _shape_now(now)
    if step.shape is not None and shape.password and not step.shape.password:
        text = "the log-in was refused" if step.sends else "a log-in page came instead"
        check = f"Check {' and '.join(step.sends)}." if step.sends else SESSION_ENDED
        yield Difference(code="log-in", recorded="no log-in page", now=text, proposal=check)
        return
    if step.shape is not None and (sent := _fields_of(now)):
        common = ([len(sent & {*form.fields}) for form in some.forms] for some in (step.shape, shape))
        before, again = (max(counts, default=0) for counts in common)
        if again > before and 2 * again >= len(sent):
            yield Difference(code="form", recorded="accepted", now="it came back", proposal=FORM_REFUSED)
            return
    missing = [name for name in step.gives if now.variables and dict(now.variables).get(name, "") in MISSING]
    for name in missing:
        yield Difference(code="missing-value", recorded=name, now="not found")
    if missing or step.shape is None or now.response is None or now.response.binary:
        return  # the response differs for the same reason
    for code, recorded, here in _of_shape(step.shape, shape):
        yield Difference(code=code, recorded=recorded, now=here)


def _fields_of(now: Exchange) -> set[str]:
    """Returns the names of the fields that a request sent."""
    text = now.request.text if now.request is not None and "json" not in now.request.type else ""
    return {*dict(parse_qsl(text, keep_blank_values=True)), *re.findall(r'\bname="([^"]+)"', text)}


def _shape_now(now: Exchange) -> BodyShape:
    content = now.response
    return BodyShape() if content is None else shape_of(content.text, content.type, cut=content.cut)


def _of_shape(recorded: BodyShape, now: BodyShape) -> Iterator[tuple[str, str, str]]:
    """Yields code, recorded and present value. More keys, and what is missing in a cut or empty list, are no faults."""
    if recorded.type and recorded.type != now.type:
        yield "content-type", recorded.type, now.type or "none"
    elif "json" in (recorded.kind, now.kind) and (recorded.cut or now.cut):
        return
    elif recorded.kind != now.kind:
        yield "shape", recorded.kind, now.kind
    elif recorded.kind == "json":
        types = dict(now.json_paths)
        for path, wanted in recorded.json_paths:
            if HIDDEN in path:
                continue
            if path not in types:
                if not _may_be_missing(path, wanted, types):
                    yield "shape", f"{path} ({wanted})", "missing"
            elif not _fits(wanted, types[path]):
                yield "shape", f"{path} ({wanted})", types[path]
    elif recorded.kind == "html":
        if not _matches(*(DIGITS.sub("#", title) for title in (recorded.title, now.title))):  # an older one has `#`
            yield "title", recorded.title, now.title or "none"
        for form in recorded.forms:
            alike = (shape for shape in now.forms if shape.method == form.method)
            same = [own for own in alike if _matches(*(ID.sub("{}", action) for action in (form.action, own.action)))]
            known = {name for shape in same for name in shape.fields}
            missing = [name for name in form.fields if HIDDEN not in name and name not in known]
            if not same and not now.cut:
                yield "form", f"{form.method} {form.action}", "missing"
            elif missing and not now.cut:
                yield "form", f"{form.method} {form.action}: {', '.join(missing)}", "missing"
    elif recorded.root != now.root:
        yield "shape", recorded.root, now.root


def _matches(recorded: str, now: str) -> bool:
    """Returns whether a text is as recorded, apart from its hidden parts."""
    return re.fullmatch(re.escape(recorded).replace(re.escape(HIDDEN), ".*"), now) is not None


def _may_be_missing(path: str, wanted: str, types: Mapping[str, str]) -> bool:
    """Returns whether a path is optional, in an empty list, beyond a limit, or in something that is missing itself."""
    # The list of an item is missing or empty.
    if "null" in wanted.split("|") or path.endswith("[*]") or (len(types) >= MOST_PATHS and path > max(types)):
        return True
    around = OWN_KEY.sub("", path)
    return around != path and bool({"null", MASKED} & set(types.get(around, "null").split("|")))


def _fits(recorded: str, now: str) -> bool:
    """Returns whether types are as recorded; null and hidden values fit all."""
    some, others = set(recorded.split("|")), set(now.split("|"))
    return others <= some or "null" in some | others or MASKED in others


# --- Proposals


def _with_proposal(difference: Difference, step: RecordedStep, recording: Recording, now: Exchange) -> Difference:
    rule = next((rule for rule in recording.possible if step.label in rule.used_by), None)
    if difference.proposal:
        return difference
    if difference.now in ("401", "403") and difference.code == "status" and step.sends:
        more = f" {NEW_FIELD}" if difference.now == "403" else ""
        return replace(difference, proposal=f"Check {' and '.join(step.sends)}.{more}")
    if difference.code == "missing-value":
        extract = _renamed(difference.recorded, step, now)
        if extract is None:
            return replace(difference, proposal=f"Correct the extractor of `{difference.recorded}`, or record again.")
        send = ", and send it by its new name" if extract.how == "css" else ""
        text = f"`{extract.expression}` is new in this response. Extract `{difference.recorded}` from it{send}."
        return replace(difference, proposal=text, yaml=extractor_text(extract))
    if difference.code == "status" and difference.now != "401" and rule is not None:
        text = f"Apply rule {rule.rule} by `--rule {rule.rule}`, or add this extractor under `{rule.label}`."
        return replace(difference, proposal=text, yaml=rule.yaml)
    if difference.code != "status":
        return replace(difference, proposal=ELSE)
    general = NO_ANSWER if not difference.now.isdigit() else FAULT if difference.now.startswith("5") else ELSE
    return replace(difference, proposal=BY_STATUS.get(difference.now, general))


def _renamed(variable: str, step: RecordedStep, now: Exchange) -> Extract | None:
    """Returns an extractor of the new value in the response whose name is nearest to the variable's."""
    if step.shape is None or now.response is None:
        return None
    known, shape = dict(step.shape.json_paths), _shape_now(now)
    scalars = ("string", "number", MASKED)
    paths = {path: path for path, own in shape.json_paths if path not in known and own in scalars and "*" not in path}
    if paths:
        names = {path.rpartition(".")[2]: path for path in paths}
        name = _likely(variable, list(names))
        return Extract(variable=variable, how="jsonpath", expression=names[name]) if name else None
    fields = {name for form in step.shape.forms for name in form.fields}
    hidden = [name for form in HtmlPage(now.response.text).forms for name, _ in form.hidden if name not in fields]
    if name := _likely(variable, hidden):
        return Extract(variable=variable, how="css", expression=f"input{having('name', name)}", attribute="value")
    return None


def _likely(variable: str, names: Sequence[str]) -> str | None:
    """Returns the new name that resembles the variable's, or the only new one."""
    return nearest(variable, names, cutoff=0.3) or (names[0] if len(names) == 1 else None)
