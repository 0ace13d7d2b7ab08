"""Markdown for a job summary or a comment on a pull request: outcome and reason first, details folded away."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from toril.reports import capacity, cases, change_github, drawing, selection, view, vouching, wording
from toril.reports.bundle import Bundle
from toril.reports.figures_table import between
from toril.reports.markdown import code, details, escaped, figure, limited, link, more, table
from toril.reports.sparkline import sparkline

ICONS = {"passed": "✅", "failed": "❌", "inconclusive": "⚠️", "triggered": "🔔"}
TRANSACTION = " (transaction)"  # as the summary names one whose label requests have too
ORDER = {"failed": 0, "inconclusive": 1, "triggered": 2, "passed": 3}
LONGEST_REASON = 120  # of the first line


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """What the caller vouches for: addresses where there is more to see, and what was measured."""

    report: str | None = None
    run: str | None = None
    commit: str | None = None
    branch: str | None = None  # of a stranger's repository, whose own workflow has measured


def report(bundle: Bundle) -> bytes:
    """The report, short enough for a comment whatever the run."""
    return comment(bundle)


def comment(bundle: Bundle, duet: Bundle | None = None, links: Links = Links()) -> bytes:
    """The same of a run, and of one that has compared its suite's head with base, as one text."""
    story = _story(bundle, duet or bundle)
    return limited(lambda most: _parts(story, links, most), links.report or links.run)


def comments(bundles: Sequence[Bundle], links: Links) -> dict[str, str]:
    """A comment for each suite: its newest run and its newest comparison together.

    Where a suite ran on Fargate that is another comment, `NAME:fargate`: the runner's result hides it no more than it
    hides the runner's.
    """
    by_name: dict[str, list[Bundle]] = {}
    for bundle in sorted(bundles, key=lambda one: one.plan.run_id):
        by_name.setdefault(_name(bundle), []).append(bundle)
    found = {}
    for name, own in sorted(by_name.items()):
        runs, duets = [one for one in own if not one.comparison], [one for one in own if one.comparison]
        found[name] = comment((runs or duets)[-1], duets[-1] if duets else None, links).decode()
    return found


def _name(bundle: Bundle) -> str:
    """By which its comment is found again; no suite has a colon in its name."""
    return bundle.plan.suite + (":fargate" if bundle.plan.on == "fargate" else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Story:
    """What is told, whatever the room for it."""

    bundle: Bundle
    title: str
    reasons: list[tuple[str, str]]  # that neither title nor criteria nor the comparison tell
    rules: list[view.Criterion]
    change: list[Callable[[int], str]]
    saturated: list[str]


def _story(bundle: Bundle, duet: Bundle) -> _Story:
    sign, outcome, why = _decided(bundle, duet)
    where = " on Fargate" if bundle.plan.on == "fargate" else ""
    return _Story(
        bundle=bundle,
        title=f"{sign} {escaped(bundle.plan.suite)}{where}: {outcome} — {escaped(why)}",
        reasons=[reason for reason in _told(bundle, duet) if reason[1] != why],
        rules=sorted(view.criteria(bundle), key=lambda rule: ORDER.get(rule.outcome, 1)),
        change=change_github.change(duet),
        saturated=vouching.saturated(bundle),
    )


def _parts(story: _Story, links: Links, most: int) -> Iterator[str]:
    bundle, told = story.bundle, story.reasons
    yield f"## {story.title}"
    yield _links(links)
    yield " · ".join(f"{name} **{escaped(value)}**{_sure(bundle, name)}" for name, value in view.facts(bundle))
    reasons = [f"- {escaped(message)} ({code(reason)})" for reason, message in told[:most]]
    yield "\n".join([*reasons, *([f"- {more(len(told) - most, 'reason')}"] if len(told) > most else [])])
    if bundle.plan.functional:
        yield cases.in_markdown(bundle, most)
        yield _notes(bundle, most)
        return
    yield _criteria(story.rules, most)
    yield from (paragraph(most) for paragraph in story.change)
    yield from (_search(search, most) for search in capacity.told(bundle))
    yield _course(bundle)
    yield "\n".join(f"> {escaped(line)}  " for line in story.saturated[:most])
    rows, left_out = selection.labels(bundle, most)
    yield details("Labels", _figures("label", rows, more(left_out, "label")))
    locations = view.locations(bundle)
    if len(locations) > 1:
        left_out = len(locations) - most
        yield details("Locations", _figures("location", locations[:most], more(left_out, "location")))
    errors = list(islice(view.errors(bundle), most))
    if errors:
        cells = [(code(message), code(rc), wording.number(count)) for message, rc, count in errors]
        left_out = len(bundle.summary["labels"][""]["errors"]) - most
        yield details("Errors", table(("error", "code", "count"), "::r", cells, more(left_out, "kind")))
    yield escaped(view.failures_note(bundle))
    yield _notes(bundle, most)


def icon(outcome: str) -> str:
    return ICONS.get(outcome, "⚠️")


def _decided(bundle: Bundle, duet: Bundle) -> tuple[str, str, str]:
    """Icon, outcome and reason of both together: the worse decides, and a comparison that proves nothing does not."""
    runs = [one for one in (bundle, duet) if not change_github.is_neutral(one)]
    if not runs:
        return "⚪", "neutral", f"against base it is {change_github.NEUTRAL}"
    worst = min(runs, key=lambda one: ORDER.get(one.outcome, 1))
    return icon(worst.outcome), worst.outcome, _reason(worst)


def _reason(bundle: Bundle) -> str:
    broken = [rule for rule in view.criteria(bundle) if rule.outcome == "failed" and rule.message]
    reasons = view.reasons(bundle)
    if bundle.outcome == "passed" or len(broken) > 1 or not reasons or reasons[0][0] == view.OF_CASES:
        told = view.headline(bundle)
        return told[:1].lower() + told[1:]
    if broken:
        return _brief(broken[0].message)
    others = f" (and {wording.plural(len(reasons) - 1, 'more reason')})" if len(reasons) > 1 else ""
    return f"{_brief(reasons[0][1])}{others}"


def _brief(text: str) -> str:
    """As much of it as a heading takes, to the end of a clause: all of it is said below."""
    if len(text) <= LONGEST_REASON:
        return text
    clauses = (text.rfind(mark, 0, LONGEST_REASON) for mark in ("; ", ": ", ", "))
    end = max(clauses)
    return f"{text[: end if end > LONGEST_REASON // 2 else LONGEST_REASON]} …"


def _told(bundle: Bundle, duet: Bundle) -> list[tuple[str, str]]:
    """The reasons that neither the criteria nor the comparison show: of a duet beside a run all others."""
    found = [] if bundle.outcome == "passed" else view.further_reasons(bundle)
    if duet is not bundle and duet.outcome != "passed":
        found += [(code, f"against base: {message}") for code, message in view.reasons(duet)]
    return [reason for reason in dict.fromkeys(found) if reason[0] not in view.OF_COMPARISON]


def _links(links: Links) -> str:
    pairs = (("Report", links.report), ("Workflow run", links.run))
    found = [link(name, url) for name, url in pairs if url is not None]
    if links.commit is not None:
        of = f" of {code(links.branch)}, as its own workflow has measured it" if links.branch is not None else ""
        found.append(f"commit {code(links.commit[:12])}{of}")
    return " · ".join(found)


def _sure(bundle: Bundle, name: str) -> str:
    """The interval of the fact that is a percentile."""
    sure = between(view.overall(bundle), name, " … ") if name == "p95" else ""
    return f" ({escaped(sure)})" if sure else ""


def _criteria(rules: Sequence[view.Criterion], most: int) -> str:
    """Short cells first: on a phone the rest may have to be scrolled to."""
    if not rules:
        return ""
    cells = [
        (f"{icon(rule.outcome)}\u00a0**{figure(rule.observed)}**", figure(rule.limit), _rule(rule))
        for rule in rules[:most]
    ]
    return table(("observed", "limit", "fails when"), ":::", cells, more(len(rules) - most, "criterion"))


def _rule(rule: view.Criterion) -> str:
    told = rule.scope if rule.outcome == "passed" else rule.remark or rule.detail
    return code(rule.text) + (f"<br><sub>{escaped(told)}</sub>" if told else "")


def _search(search: capacity.Told, most: int) -> str:
    """What it came to in a sentence, and its last stages folded away."""
    rows = search.rows[-most:]
    cells = [(f"{icon(row.outcome)}\u00a0{escaped(row.said)}", *map(escaped, row.cells)) for row in rows]
    left_out = more(len(search.rows) - len(rows), "stage")
    stages = table(("stage", *capacity.HEADS), ":rrr:", cells, left_out)
    return f"**Capacity:** {escaped(search.message)}\n\n" + details(f"Capacity of {escaped(search.name)}", stages)


def _course(bundle: Bundle) -> str:
    """Each second's requests, p95 and failures, as lines of small columns."""
    series = bundle.summary.get("series") or ()
    if len(series) < 2:
        return ""
    whole = series[: bundle.whole_seconds]
    samples = [float(second.get("samples") or 0) for second in whole]
    p95 = [second.get("p95_us") for second in whole]
    failures = [float(second.get("failures") or 0) for second in whole]
    known = [value for value in p95 if value is not None]
    lines = [(sparkline(samples), f"≤ **{figure(wording.number(max(samples)))}** requests/s")]
    for course in drawing.courses(bundle):
        of = "" if len(bundle.plan.executions) == 1 else f" of {code(course.execution)}"
        highest = max(*course.planned, *course.achieved, 0.0)
        most = figure(wording.number(round(max(course.planned, default=0.0), 1)))
        lines.append((sparkline(course.planned, highest=highest), f"planned ≤ **{most}** requests/s{of}"))
        if of:
            most = figure(wording.number(max(course.achieved, default=0.0)))
            lines.append((sparkline(course.achieved, highest=highest), f"achieved ≤ **{most}** requests/s{of}"))
        else:
            lines[0] = (sparkline(samples, highest=highest), lines[0][1])
    if known:
        lines.append((sparkline(p95), f"p95 ≤ **{figure(wording.time(max(known)))}**"))
    if any(failures):
        lines.append((sparkline(failures), f"≤ **{figure(wording.number(max(failures)))}** failed/s"))
    return "<br>\n".join(f"<code>{line}</code> {said}" for line, said in lines)


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
    if vouching.health(bundle) and not bundle.plan.functional:
        lines.append(escaped(vouching.health(bundle)))
    if vouching.not_judged(bundle) and not bundle.plan.functional:
        lines.append(f"not judged: {escaped(' · '.join(vouching.not_judged(bundle)))}")
    if bundle.cost:
        lines.append(escaped(bundle.cost))
    version = escaped(bundle.plan.toril_version)
    sure = "" if bundle.plan.functional else f" · {view.window(bundle)} · with each percentile its 95 % interval"
    lines.append(f"run {code(bundle.plan.run_id)}{sure}")
    return f"<sub>{'<br>'.join(lines)} · toril {version}</sub>"
