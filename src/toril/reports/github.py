"""Markdown for a job summary or a comment on a pull request: the verdict, the criteria, the rest folded."""

from collections.abc import Iterator, Sequence

from toril.reports import selection, view, vouching, wording
from toril.reports.bundle import Bundle
from toril.reports.figures_table import between
from toril.reports.markdown import code, details, escaped, limited, more, table

ICONS = {"passed": "✅", "failed": "❌", "inconclusive": "⚠️", "triggered": "🔔"}
TRANSACTION = " (transaction)"  # as the summary names one whose label requests have too
ORDER = {"failed": 0, "inconclusive": 1, "triggered": 2, "passed": 3}


def report(bundle: Bundle) -> bytes:
    """The report, short enough for a comment whatever the run."""
    return limited(lambda most: _parts(bundle, most))


def _parts(bundle: Bundle, most: int) -> Iterator[str]:
    outcome = bundle.outcome
    yield f"## {icon(outcome)} {escaped(bundle.plan.suite)}: {outcome}"
    yield f"{escaped(view.headline(bundle))}."
    yield " · ".join(f"{name} **{escaped(value)}**{_sure(bundle, name)}" for name, value in view.facts(bundle))
    told = [] if outcome == "passed" else view.reasons(bundle)
    reasons = [f"- {escaped(message)} ({code(reason)})" for reason, message in told[:most]]
    yield "\n".join([*reasons, *([f"- {more(len(told) - most, 'reason')}"] if len(told) > most else [])])
    yield _criteria(sorted(view.criteria(bundle), key=lambda rule: ORDER.get(rule.outcome, 1)), most)
    saturated = vouching.saturated(bundle)
    yield "\n".join(f"> {escaped(line)}  " for line in saturated[:most])
    rows, left_out = selection.labels(bundle, most)
    yield details("Labels", _figures("label", rows, more(left_out, "label")), open=len(rows) <= 11)
    locations = view.locations(bundle)
    if len(locations) > 1:
        left_out = len(locations) - most
        yield details("Locations", _figures("location", locations[:most], more(left_out, "location")))
    errors = list(view.errors(bundle))
    if errors:
        cells = [(code(message), code(rc), wording.number(count)) for message, rc, count in errors[:most]]
        content = table(("error", "code", "count"), "::r", cells, more(len(errors) - most, "kind"))
        yield details("Errors", content)
    yield escaped(view.failures_note(bundle))
    yield _notes(bundle, most)


def icon(outcome: str) -> str:
    return ICONS.get(outcome, "⚠️")


def _sure(bundle: Bundle, name: str) -> str:
    """The interval of the fact that is a percentile."""
    sure = between(view.overall(bundle), name, " … ") if name == "p95" else ""
    return f" ({escaped(sure)})" if sure else ""


def _criteria(rules: Sequence[view.Criterion], most: int) -> str:
    if not rules:
        return ""
    cells = [
        (
            icon(rule.outcome),
            code(rule.text),
            escaped(rule.observed),
            escaped(rule.limit),
            escaped(rule.difference),
            escaped(" · ".join(text for text in (rule.remark, rule.detail) if text)),
        )
        for rule in rules[:most]
    ]
    left_out = more(len(rules) - most, "criterion")
    return table(("", "fails when", "observed", "limit", "difference", "judged on"), "::rrr:", cells, left_out)


def _figures(noun: str, rows: Sequence[view.Row], left_out: str) -> str:
    """Each percentile has its 95 % interval under it."""
    head = (noun, "requests", "failed", "req/s", "p50", "p95", "p99", "max")
    cells = [
        (
            code(row.name) + (TRANSACTION if row.kind == "transaction" and not row.name.endswith(TRANSACTION) else ""),
            wording.number(row.samples),
            escaped(row.failed),
            escaped(wording.number(row.rps)),
            *(_percentile(row, key) for key in ("p50", "p95", "p99")),
            escaped(row.time("max") + row.mark),
        )
        for row in rows
    ]
    return table(head, ":rrrrrrr", cells, left_out)


def _percentile(row: view.Row, key: str) -> str:
    sure = between(row, key, " … ")
    return escaped(row.time(key) + row.mark) + (f"<br><sub>{escaped(sure)}</sub>" if sure else "")


def _notes(bundle: Bundle, most: int) -> str:
    """What is said in small letters at the end."""
    lines = [f"note: {escaped(note)}" for note in view.notes(bundle)[:most]]
    if vouching.health(bundle):
        lines.append(escaped(vouching.health(bundle)))
    if vouching.not_judged(bundle):
        lines.append(f"not judged: {escaped(' · '.join(vouching.not_judged(bundle)))}")
    version = escaped(bundle.plan.toril_version)
    lines.append(f"run {code(bundle.plan.run_id)} · {view.window(bundle)} · with each percentile its 95 % interval")
    return f"<sub>{'<br>'.join(lines)} · toril {version}</sub>"
