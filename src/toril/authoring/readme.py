"""The README.md of an imported suite: what was done, what was not, and which variables to set."""

from collections.abc import Iterable, Iterator, Sequence

from toril.authoring.correlation import Correlation
from toril.authoring.credentials import Credentials
from toril.authoring.draft import DraftGroup, SuiteDraft, requests_of
from toril.authoring.filters import READS
from toril.authoring.recorded import Recorded
from toril.text import plain, plural, size

BASE64 = "$(printf %s 'user:password' | base64)"


def readme_of(draft: SuiteDraft, recorded: Recorded, correlation: Correlation, credentials: Credentials) -> str:
    """Returns the text in Markdown."""
    parts = [
        _head(draft, recorded),
        _commands(draft),
        _requests(draft),
        _carried(draft, correlation),
        _data(draft),
        _left_out(recorded),
        _notes(draft, recorded, correlation, credentials),
        _next(draft),
    ]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def _head(draft: SuiteDraft, recorded: Recorded) -> Iterator[str]:
    requests = list(requests_of(draft))
    writes = sum(one.method not in READS for one in requests)
    yield f"# {draft.name}"
    yield ""
    if writes:
        yield f"**It changes data:** {writes} of {plural(len(requests), 'request')} may write. Run it where that is allowed."
        yield ""
    yield f"`toril` made this suite of {_cell(recorded.origin)}. Change it like any other suite."


def _commands(draft: SuiteDraft) -> Iterator[str]:
    yield "```sh"
    for name, what in draft.credentials.items():
        yield f"export {name}={BASE64 if name.endswith('_BASIC') else '…'} # {_cell(what).replace('`', '')}"
    yield f"toril try loadtests/{draft.name} # one user, compared with the recording"
    yield f"toril run loadtests/{draft.name}"
    yield "```"
    if draft.credentials:
        yield ""
        yield "`settings.env` in suite.yml refers to these variables; no file has their values. On Fargate, move these"
        yield "lines to `toril.secrets`."


def _requests(draft: SuiteDraft) -> Iterator[str]:
    yield "## Requests"
    yield ""
    rows = []
    for scenario in draft.scenarios:
        for one in scenario.requests:
            step, some = (one.name, one.requests) if isinstance(one, DraftGroup) else ("", (one,))
            rows += [(step, request.label, request.think_time) for request in some]
    yield from _table(("step", "request", "think time"), rows)


def _carried(draft: SuiteDraft, correlation: Correlation) -> Iterator[str]:
    labels = {one.number: one.label for one in requests_of(draft)}
    applied = [rule for rule in correlation.rules if rule.applied and rule.source in labels]
    others = [rule for rule in correlation.rules if not rule.applied and rule.source in labels]
    for title, rules in (("Carried values", applied), ("Possible rules, not applied", others)):
        if rules:
            yield from ("## " + title, "")
            used = [dict.fromkeys(labels[number] for number, _ in rule.uses if number in labels) for rule in rules]
            yield from _table(
                ("rule", "variable", "value", "from the response to", "into", "confidence"),
                [
                    (
                        rule.number,
                        rule.extract.variable,
                        rule.masked,
                        labels[rule.source],
                        ", ".join(into),
                        f"{rule.confidence:.2f}",
                    )
                    for rule, into in zip(rules, used, strict=True)
                ],
            )
            yield ""
    if others:
        yield "`toril import … --rule N` applies a rule, `--no-rule N` drops one, `--explain` shows the reasons."


def _data(draft: SuiteDraft) -> Iterator[str]:
    if draft.files:
        yield from ("## Files", "")
        for path, data in draft.files.items():
            is_table = path.suffix == ".csv"
            yield f"- `{path}`: {plural(len(data.splitlines()) - 1, 'row') if is_table else size(len(data))}"
        yield ""
        yield "Add rows to vary the load: users take them in turn."


def _left_out(recorded: Recorded) -> Iterator[str]:
    if recorded.left_out:
        yield from ("## Left out", "")
        yield from _table(
            ("what", "number", "why", "such as"),
            [(one.what, one.count, one.why, ", ".join(one.examples)) for one in recorded.left_out],
        )
    joined = [one for one in recorded.exchanges if one.count > 1 and recorded.kind != "access-log"]
    if joined:
        yield from ("", "## Joined", "")
        yield from (f"- {_cell(one.name)}: {one.count} requests became one" for one in joined)


def _notes(draft: SuiteDraft, recorded: Recorded, correlation: Correlation, credentials: Credentials) -> Iterator[str]:
    found = [one.message for one in recorded.notes]
    missing = [one.name for one in recorded.exchanges if one.body and one.body.missing]
    sampled = [part.name for one in recorded.exchanges if one.body for part in one.body.uploads if part.data is None]
    if missing:
        found.append(f"The source lacks the bodies of {', '.join(missing)}. Add them.")
    if sampled:
        found.append(f"The source lacks the content of {', '.join(sampled)}. The suite sends 1 KiB instead.")
    if credentials.cookies:
        names = ", ".join(credentials.cookies)
        found.append(
            f"No response sets the cookies {names}, so the suite does not send them. If one is needed, record the login, too."
        )
    if correlation.unpaired:
        found.append(f"Only one of the two recordings has {', '.join(correlation.unpaired)}.")
    if any(isinstance(one, DraftGroup) for scenario in draft.scenarios for one in scenario.requests):
        found.append("Browsers send some requests at the same time, the suite one after another.")
    if found:
        yield from ("## Notes", "", *(f"- {_cell(one)}" for one in found))
    if credentials.literals:
        yield from ("", "## Review", "", "These values stay in the suite as they were recorded:", "")
        yield from (f"- {_cell(one)}" for one in credentials.literals)


def _next(draft: SuiteDraft) -> Iterator[str]:
    if draft.executor == "apiritif":
        yield "Apiritif sends about 300 requests per second and core. For more, write `executor: jmeter` and add"
        yield "`modules: {jmeter: {fresh-cookies: true}}`: the requests stay the same."


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(_cell(one) for one in row)} |"


def _cell(text: object) -> str:
    return " ".join(plain(text).split()).replace("|", "\\|")
