"""`toril import` and `toril record`: from a source to a suite that can be planned."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from toril.authoring.checks import proven
from toril.authoring.correlation import Correlation, correlated, unfolded
from toril.authoring.credentials import Credentials, referenced, refuse_secrets, with_basic
from toril.authoring.draft import FILES, FILES_OF_SCRIPT, SuiteDraft, draft_of, files_of
from toril.authoring.filters import READS, kept
from toril.authoring.init import SUITES, Created, place
from toril.authoring.options import LENGTH, LOAD, ImportOptions, refuse
from toril.authoring.readers import Input, read
from toril.authoring.readme import listed, readme_of
from toril.authoring.recorded import Payload, Recorded
from toril.authoring.references import NAME, foreign
from toril.authoring.replaying import replayed
from toril.authoring.routes import named
from toril.authoring.shapes import shape_of
from toril.authoring.writer import extractor_text
from toril.errors import Note, OptionError
from toril.plan import MOST_OF_TRY
from toril.records.document import MOST_ENTRIES
from toril.records.recording import RECORDING, BodyShape, PossibleRule, RecordedStep, Recording
from toril.secrets.environment import is_withheld
from toril.secrets.masking import HIDDEN, names_a_secret
from toril.text import plural

FAILED = 400  # and above: statuses of failed requests
NEW = re.compile(r"\$\{new_\w+\}")
LONGEST = 1_000  # characters of a route or origin
MOST_BYTES = Recording.MOST_BYTES or 0  # a larger recording is not kept for comparisons

More = Callable[[Mapping[str, str]], Mapping[PurePosixPath, bytes]]  # gets the variables of the suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The written suite, and what it was made from."""

    created: Created
    recorded: Recorded  # with references instead of credentials
    correlation: Correlation


def imported(
    given: Sequence[Input], options: ImportOptions, folder: Path, *, force: bool = False, confined: bool = False
) -> Imported:
    """Writes the suite of one source below `folder`; a second input is another observation of the same journey.

    `confined`: see `place`.
    """
    recorded, *others = (read(part, options) for part in given)
    if others and {part.kind for part in (recorded, *others)} != {"har"}:
        raise OptionError("SECOND is for two HARs of a journey. Import each source alone.", code="conflicting-options")
    return suite_of(recorded, next(iter(others), None), options, folder, force=force, confined=confined)


def suite_of(
    recorded: Recorded,
    second: Recorded | None,
    options: ImportOptions,
    folder: Path,
    *,
    force: bool = False,
    confined: bool = False,
    more: More | None = None,
) -> Imported:
    """Writes the suite of a recording: filters, routes, correlation, credentials, draft, files, plan.

    `more` returns other files for its folder.
    """
    if options.functional:
        refuse(options, (*LOAD, "limits"), "with --functional: each request is a test case without load. Remove it.")
    if recorded.kind == "access-log":
        refuse(options, LOAD, "with an access log: its rates are the load. Set --length instead.")
    elif options.length != LENGTH:
        raise OptionError("--length is for access logs. Set --hold-for instead.", code="conflicting-options")
    everything = _without_users(recorded)
    recorded = kept(everything, options)
    if not recorded.exchanges:
        what = "; ".join(f"{out.what} ({out.why})" for out in recorded.left_out) or "the source has none"
        raise OptionError(f"{recorded.origin}: no requests for a suite: {what}. Keep some of them.", code="no-requests")
    second = kept(_without_users(second), options) if second is not None else None
    rules_of = partial(correlated, forced=options.forced, dropped=options.dropped)
    correlation = rules_of(recorded, second)
    if options.replay and second is None:
        second = replayed(recorded, correlation, os.environ)
        correlation = rules_of(recorded, second)
    if unknown := (options.forced | options.dropped) - {rule.number for rule in correlation.rules}:
        raise OptionError(f"rule {min(unknown)}: not found. List the rules by --explain.", code="unknown-value")
    chosen = {exchange.number for exchange in recorded.exchanges}
    others = [one for one in everything.exchanges if one.number not in chosen] + [*(second.exchanges if second else ())]
    checked = proven(unfolded(recorded, correlation), second, functional=options.functional)
    referenced_text, credentials = referenced(named(checked), correlation, others)
    shown = replace(referenced_text, notes=(*referenced_text.notes, *_notes(referenced_text, correlation, credentials)))
    draft = draft_of(shown, correlation, options, credentials.names, credentials.unfound)
    contents = files_of(draft)
    contents[PurePosixPath("README.md")] = readme_of(draft, shown, correlation, credentials).encode()
    if any(exchange.response is not None for exchange in shown.exchanges) and len(shown.exchanges) <= MOST_ENTRIES:

        def hide(text: str) -> str:
            return NEW.sub(HIDDEN, correlation.typed.put(credentials.hide(text)))

        record = _recording(draft, shown.origin, correlation, hide).to_json()
        contents |= {PurePosixPath(RECORDING): record} if len(record) <= MOST_BYTES else {}
    if more is not None:
        contents |= more({**draft.hosts, **{name: f"${{{name}}}" for name in draft.credentials}})
    own = {path for path in contents if FILES in path.parents and not path.name.endswith("body.bin")}
    uploads = own | {path for path in contents if FILES_OF_SCRIPT in path.parents}
    refuse_secrets({path: b"" if path in uploads else data for path, data in contents.items()}, credentials.hidden)
    _refuse_foreign(draft, shown.references, contents[PurePosixPath("suite.yml")].decode())
    home = SUITES / draft.name
    action = options.action if options.workflow else None
    placed = {home / path: data for path, data in contents.items()}
    created = place(placed, home, folder, force=force, action=action, confined=confined)
    created = replace(created, notes=(*shown.notes, *_writing(shown), *created.notes))
    return Imported(created=created, recorded=shown, correlation=correlation)


def _writing(recorded: Recorded) -> Iterator[Note]:
    """Yields a note if the requests of a description or collection change data: no journey shows that they may."""
    writes = sum(exchange.method not in READS for exchange in recorded.exchanges)
    if writes and recorded.kind in ("openapi", "postman"):
        what = f"It changes data: {writes:,} of {plural(len(recorded.exchanges), 'request')} may write"
        yield Note("changes-data", f"{what}. Run it where that is allowed, or import with --only-reads.")


def _notes(recorded: Recorded, correlation: Correlation, credentials: Credentials) -> Iterator[Note]:
    """Yields what a person should know of the suite before the first try."""
    labels = {exchange.number: exchange.name for exchange in recorded.exchanges}
    failed = [f"{call.status} of {call.name}" for call in recorded.exchanges if (call.status or 0) >= FAILED]
    if failed and recorded.kind == "har":
        text = f"The suite expects the recorded {listed(failed)}. If that is an error of the recording, record again."
        yield Note("recorded-failures", text)
    for text in credentials.unfound.values():
        fix = "Add its extractor there. Until then the suite sends a placeholder, which the service may refuse."
        yield Note("token-without-source", f"No response of the recording has {text}. {fix}")
    if fresh := correlation.typed.fresh:
        fields = listed([f"`{made.key}` of {labels.get(made.number, '')}" for made in fresh])
        text = f"`set-variables` makes a new value for each user and iteration, as typed in {fields}."
        yield Note("new-values", f"{text} For values of your own, see README.md.")
    if repeated := [f"`{key}` of {labels[number]}" for number, key in correlation.typed.repeated if number in labels]:
        text = f"Each user sends these typed values as recorded: {listed(repeated)}."
        fix = "If the service accepts a value only once, type another one in a second recording, and import both."
        yield Note("typed-values", credentials.hide(f"{text} {fix}"))


def _refuse_foreign(draft: SuiteDraft, references: str, suite: str) -> None:
    """Raises OptionError if Taurus or an engine would evaluate a part of the source, such as `${__P(user.home)}`.

    In addresses of hosts, Taurus also expands `$NAME`.
    """
    own = {*draft.hosts, *draft.credentials, *draft.unfound}
    own |= {extract.variable for request in draft.requests for extract in request.extracts}
    steps = (step for scenario in draft.scenarios.values() for step in scenario["requests"])
    own |= {name for step in steps for name in step.get("set-variables", ())}
    tables = (data for path, data in draft.files.items() if path.suffix == ".csv" and not path.parent.name)
    own |= {name for data in tables for name in data.partition(b"\n")[0].decode().split(",")}
    reference = foreign([references, *sorted(map(re.escape, own))]).search(suite)
    problem = [] if reference is None else [suite[reference.start() : reference.start() + 40].splitlines()[0]]
    for name, address in draft.hosts.items():
        names = [named for named in NAME.findall(address) if re.fullmatch(references, named)]
        secret = any(is_withheld(named) or names_a_secret(named) for named in names)
        if address != f"${{{name}}}" and (secret or "$" in (NAME.sub("", address) if names else address)):
            problem.append(address[:60])
    if problem:
        text = f"`{problem[0]}`: a reference that an engine would evaluate"
        raise OptionError(f"{text}. No files are written. Remove it from the source.", code="foreign-reference")


def _without_users(recorded: Recorded) -> Recorded:
    return replace(recorded, exchanges=tuple(map(with_basic, recorded.exchanges)))


def _recording(draft: SuiteDraft, origin: str, correlation: Correlation, hide: Callable[[str], str]) -> Recording:
    """Returns the steps of a suite as recorded, and the rules that were found and not applied; without values."""
    carried = {extract.variable for request in draft.requests for extract in request.extracts}
    labels = {request.recorded.number: request.recorded.name for request in draft.requests}
    steps = (
        RecordedStep(
            label=request.recorded.name,
            method=request.recorded.method,
            route=request.recorded.route[:LONGEST],
            status=request.recorded.status,
            shape=_shape(request.recorded.response, hide),
            needs=tuple(name for name in dict.fromkeys(NAME.findall(str(request.written))) if name in carried),
            gives=tuple(dict.fromkeys(extract.variable for extract in request.extracts)),
            sends=tuple(name for name in draft.credentials if f"${{{name}}}" in str(request.written)),
        )
        for request in draft.requests
    )
    possible = (
        PossibleRule(
            rule=rule.number,
            label=labels[rule.source],
            variable=rule.extract.variable,
            used_by=tuple(dict.fromkeys(labels[number] for number, _ in rule.uses if number in labels)),
            yaml=extractor_text(rule.extract),
        )
        for rule in correlation.rules
        if not rule.applied and rule.source in labels
    )
    return Recording(origin=origin[:LONGEST], steps=tuple(steps), possible=tuple(possible))


def _shape(answer: Payload | None, hide: Callable[[str], str]) -> BodyShape | None:
    """Returns the shape of as much of a body as a try keeps."""
    if answer is None:
        return None
    start = replace(answer, data=answer.data[:MOST_OF_TRY])
    return shape_of(start.text, start.type, cut=len(answer.data) > MOST_OF_TRY, hide=hide)
