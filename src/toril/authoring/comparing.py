"""Compares a try of a suite with the recording that the suite was made from."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import yaml

from toril.authoring.pages import Page
from toril.authoring.shapes import MASKED, route_of, shape_of
from toril.masking import HIDDEN
from toril.records.evidence import Exchange
from toril.records.recording import BodyShape, PossibleRule, RecordedStep, Recording
from toril.text import nearest

NOT_FOUND = ("", "NOT_FOUND")  # values of a variable whose extractor has found nothing
BY_STATUS = {
    401: "Check the credentials: README.md names their variables.",
    403: "Check the credentials: README.md names their variables.",
    404: "The address has a value of the recording. Take it out of an earlier response, or from a CSV file.",
    409: "The service has this already. Vary a field of the request by a column of a CSV file.",
    429: "The service limits the rate. Add think times.",
}
ELSE = "Record again, or delete recording.json if the change is wanted."


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One step that did not go as recorded."""

    label: str
    code: str  # status, content-type, shape, title, form, not-sent or missing-value
    recorded: str
    now: str
    proposal: str = ""  # what to change
    yaml: str = ""  # of a proposed rule
    because: str = ""  # the label of the earlier difference that this one follows from


def differences(recording: Recording, exchanges: Sequence[Exchange]) -> tuple[Difference, ...]:
    """Returns the differences between recorded steps and tried requests, aligned by label, in order."""
    sent = [one for one in exchanges if one.kind == "request"]
    blocks = SequenceMatcher(
        a=[one.label for one in recording.steps], b=[one.label for one in sent], autojunk=False
    ).get_matching_blocks()
    pairs = {block.a + place: block.b + place for block in blocks for place in range(block.size)}
    found: list[Difference] = []
    broken: dict[str, str] = {}  # variable → label of the step that should have brought it
    for index, step in enumerate(recording.steps):
        place = pairs.get(index)
        because = next((broken[name] for name in step.needs if name in broken), "")
        if place is None:
            own = [Difference(label=step.label, code="not-sent", recorded="sent", now="not sent", proposal=ELSE)]
        else:
            own = list(_of_step(step, sent[place]))
            own = [_with_proposal(one, step, recording, sent[: place + 1]) for one in own]
        for one in own:
            found.append(replace(one, because=because, proposal="", yaml="") if because else one)
        now = dict(sent[place].variables) if place is not None else {}
        broken = {name: label for name, label in broken.items() if name not in step.gives}
        broken |= {name: step.label for name in step.gives if own and now.get(name, "") in NOT_FOUND}
    return tuple(found)


def _of_step(step: RecordedStep, now: Exchange) -> Iterator[Difference]:
    for name in step.gives:
        if now.variables and dict(now.variables).get(name, "") in NOT_FOUND:
            yield Difference(label=step.label, code="missing-value", recorded=name, now="not found")
    if step.status is not None and step.status != now.status:
        answer = str(now.status) if now.status else now.rc or "no response"
        yield Difference(label=step.label, code="status", recorded=str(step.status), now=answer)
        return
    if step.shape is None or now.response is None or now.response.binary:
        return
    shape = _shape_now(now)
    for code, recorded, found in _of_shape(step.shape, shape):
        yield Difference(label=step.label, code=code, recorded=recorded, now=found)


def _shape_now(now: Exchange) -> BodyShape:
    content = now.response
    return BodyShape() if content is None else shape_of(content.text, content.type, cut=content.cut)


def _of_shape(recorded: BodyShape, now: BodyShape) -> Iterator[tuple[str, str, str]]:
    """Yields code, recorded and present value. More keys, and what is missing in a cut or empty list, are no faults."""
    if recorded.type != now.type:
        yield "content-type", recorded.type, now.type or "none"
    elif recorded.kind != now.kind:
        yield "shape", recorded.kind, now.kind
    elif recorded.kind == "json":
        types = dict(now.json_paths)
        for path, wanted in recorded.json_paths:
            if path not in types:
                if not now.cut and not _is_below_missing(path, types):
                    yield "shape", f"{path}: {wanted}", "missing"
            elif not _fits(wanted, types[path]):
                yield "shape", f"{path}: {wanted}", types[path]
    elif recorded.kind == "html":
        if not re.fullmatch(re.escape(recorded.title).replace(re.escape(HIDDEN), ".*"), now.title):
            yield "title", recorded.title, now.title or "none"
        for form in recorded.forms:
            same = [one for one in now.forms if (one.method, one.action) == (form.method, form.action)]
            missing = [name for name in form.fields if not any(name in one.fields for one in same)]
            if not same and not now.cut:
                yield "form", f"{form.method} {form.action}", "missing"
            elif missing and not now.cut:
                yield "form", f"{form.method} {form.action}: {', '.join(missing)}", "missing"
    elif recorded.root != now.root:
        yield "shape", recorded.root, now.root


def _is_below_missing(path: str, types: dict[str, str]) -> bool:
    """Returns whether a path is in an item of an empty list, or in something that is null or missing itself."""
    parent = path.rpartition("[*]")[0] if path.endswith("[*]") else re.sub(r"(?:\.[^.\[]+|\['[^']*'\])$", "", path)
    if parent == path or parent in ("", "$"):
        return False
    return parent not in types or "null" in types[parent] or (path.endswith("[*]") and types[parent] == "array")


def _fits(recorded: str, now: str) -> bool:
    some, others = set(recorded.split("|")), set(now.split("|"))
    scalars = {"string", "number", "boolean", "null"}
    return bool({"null", MASKED} & (some | others)) and not (some | others) - {*scalars, MASKED} or others <= some or (
        "null" in some | others
    )


# --- Proposals


def _with_proposal(one: Difference, step: RecordedStep, recording: Recording, sent: Sequence[Exchange]) -> Difference:
    rule = next((rule for rule in recording.possible if step.label in rule.used_by), None)
    if one.code == "missing-value":
        text, rule_yaml = _renamed(one.recorded, step, sent[-1])
        return replace(one, proposal=text, yaml=rule_yaml)
    if one.code != "status":
        return replace(one, proposal=ELSE)
    if rule is not None:
        text = f"Apply rule {rule.rule} (`--rule {rule.rule}`), or add this under `{rule.label}`."
        return replace(one, proposal=text, yaml=rule.yaml)
    if one.now in ("403", "419", "422") and (field := _hidden_field(step, sent)):
        label, name = field
        text = f"The form of `{label}` has the hidden field `{name}`. Add its extractor there, and send ${{{name}}}."
        return replace(one, proposal=text, yaml=_yaml("extract-css-jquery", name, f"input[name={name}]"))
    return replace(one, proposal=BY_STATUS.get(int(one.now) if one.now.isdigit() else 0, ELSE))
