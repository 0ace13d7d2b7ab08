"""Markdown for a job summary or a comment on a pull request: outcome and reason first, details folded away."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toril.reports import change_github, selection, view, vouching, wording
from toril.reports.bundle import Bundle
from toril.reports.figures_table import between
from toril.reports.markdown import code, details, escaped, limited, link, more, table
from toril.reports.sparkline import sparkline

ICONS = {"passed": "✅", "failed": "❌", "inconclusive": "⚠️", "triggered": "🔔"}
TRANSACTION = " (transaction)"  # as the summary names one whose label requests have too
ORDER = {"failed": 0, "inconclusive": 1, "triggered": 2, "passed": 3}
LONGEST_REASON = 160  # of the first line


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where there is more to see; addresses that the caller vouches for."""

    report: str | None = None
    run: str | None = None


def report(bundle: Bundle) -> bytes:
    """The report, short enough for a comment whatever the run."""
    return comment(bundle)


def comment(bundle: Bundle, duet: Bundle | None = None, links: Links = Links()) -> bytes:
    """The same of a run, and of one that has compared its suite's head with base, as one text."""
    return limited(lambda most: _parts(bundle, duet or bundle, links, most), links.report or links.run)


def comments(bundles: Sequence[Bundle], links: Links) -> dict[str, str]:
    """A comment for each suite: its newest run and its newest comparison together."""
    found = {}
    for suite in sorted({bundle.plan.suite for bundle in bundles}):
        own = sorted((one for one in bundles if one.plan.suite == suite), key=lambda one: one.plan.run_id)
        runs, duets = [one for one in own if not one.comparison], [one for one in own if one.comparison]
        found[suite] = comment((runs or duets)[-1], duets[-1] if duets else None, links).decode()
    return found


def _parts(bundle: Bundle, duet: Bundle, links: Links, most: int) -> Iterator[str]:
    outcome, why = _decided(bundle, duet)
    yield f"## {icon(outcome)} {escaped(bundle.plan.suite)}: {outcome} — {why}"
    yield _links(links)
    yield " · ".join(f"{name} **{escaped(value)}**{_sure(bundle, name)}" for name, value in view.facts(bundle))
    told = [] if bundle.outcome == "passed" else view.further_reasons(bundle)
    reasons = [f"- {escaped(message)} ({code(reason)})" for reason, message in told[:most]]
    yield "\n".join([*reasons, *([f"- {more(len(told) - most, 'reason')}"] if len(told) > most else [])])
    yield _criteria(sorted(view.criteria(bundle), key=lambda rule: ORDER.get(rule.outcome, 1)), most)
    yield from change_github.change(duet.comparison, most)
    yield _course(bundle)
    saturated = vouching.saturated(bundle)
    yield "\n".join(f"> {escaped(line)}  " for line in saturated[:most])
    rows, left_out = selection.labels(bundle, most)
    yield details("Labels", _figures("label", rows, more(left_out, "label")))
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


def _decided(bundle: Bundle, duet: Bundle) -> tuple[str, str]:
    """The outcome of all that is told, and its reason; a comparison that proves nothing decides nothing."""
    if bundle.outcome != "failed" and duet.comparison.get("outcome") == "failed":
        return "failed", f"slower than base: {change_github.said(duet.comparison)}"
    return bundle.outcome, _reason(bundle)


def _reason(bundle: Bundle) -> str:
    broken = [rule for rule in view.criteria(bundle) if rule.outcome == "failed" and rule.message]
    reasons = view.reasons(bundle)
    if bundle.outcome == "failed" and len(broken) == 1:
        told = broken[0].message
    elif bundle.outcome == "inconclusive" and reasons:
        told = wording.shortened(reasons[0][1], LONGEST_REASON)
        told += f" (and {wording.plural(len(reasons) - 1, 'more reason')})" if len(reasons) > 1 else ""
        return escaped(told)
    else:
        told = view.headline(bundle)
        told = told[:1].lower() + told[1:]
    return escaped(wording.shortened(told, LONGEST_REASON))


def _links(links: Links) -> str:
    pairs = (("Report", links.report), ("Workflow run", links.run))
    return " · ".join(link(name, url) for name, url in pairs if url is not None)


def _sure(bundle: Bundle, name: str) -> str:
    """The interval of the fact that is a percentile."""
    sure = between(view.overall(bundle), name, " … ") if name == "p95" else ""
    return f" ({escaped(sure)})" if sure else ""


def _criteria(rules: Sequence[view.Criterion], most: int) -> str:
    if not rules:
        return ""
    cells = [(icon(rule.outcome), _rule(rule), _observed(rule), escaped(rule.limit)) for rule in rules[:most]]
    left_out = more(len(rules) - most, "criterion")
    return table(("", "fails when", "observed", "limit"), "::rr", cells, left_out)


def _rule(rule: view.Criterion) -> str:
    told = " · ".join(text for text in (rule.remark, rule.detail) if text)
    return code(rule.text) + (f"<br><sub>{escaped(told)}</sub>" if told else "")


def _observed(rule: view.Criterion) -> str:
    apart = f"<br><sub>{escaped(rule.difference)}</sub>" if rule.difference else ""
    return f"**{escaped(rule.observed)}**{apart}"


def _course(bundle: Bundle) -> str:
    """Each second's requests, p95 and failures, as lines of small columns."""
    series = bundle.summary.get("series") or ()
    if len(series) < 2:
        return ""
    whole = series[:-1] if len(series) > 2 else series  # the last second is a part of one
    samples = [float(second.get("samples") or 0) for second in whole]
    p95 = [second.get("p95_us") for second in whole]
    failures = [float(second.get("failures") or 0) for second in whole]
    known = [value for value in p95 if value is not None]
    rows = [("requests/s", sparkline(samples), f"{wording.number(max(samples))}/s at most")]
    if known:
        rows.append(("p95", sparkline(p95), f"{wording.time(max(known))} at most"))
    if any(failures):
        rows.append(("failed/s", sparkline(failures), f"{wording.number(max(failures))}/s at most"))
    cells = [(name, f"<code>{line}</code>", escaped(top)) for name, line, top in rows]
    return table(("", f"{wording.span(len(series))} of load", ""), ":::", cells)


def _figures(noun: str, rows: Sequence[view.Row], left_out: str) -> str:
    """Each percentile has its 95 % interval under it."""
    head = (noun, "requests", "failed", "p50", "p95", "p99", "max")
    cells = [
        (
            code(row.name) + (TRANSACTION if row.kind == "transaction" and not row.name.endswith(TRANSACTION) else ""),
            f"{wording.number(row.samples)}<br><sub>{escaped(wording.number(row.rps))}/s</sub>",
            escaped(row.failed),
            *(_percentile(row, key) for key in ("p50", "p95", "p99")),
            escaped(row.time("max") + row.mark),
        )
        for row in rows
    ]
    return table(head, ":rrrrrr", cells, left_out)


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
