"""Turns a run into the blocks of its report. This module selects the content; each renderer lays it out."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from toril import text
from toril.load.model import JOURNEY_START
from toril.records import JudgedCriterion
from toril.records.summary import TRANSACTION, Generator, RunFinding
from toril.reports.blocks import (
    About,
    Block,
    Charts,
    Criteria,
    Fact,
    Facts,
    Failure,
    Failures,
    Findings,
    Headline,
    NoteBlock,
    Report,
    ShownCriterion,
    ShownFinding,
    ShownReason,
    Sketch,
    Sketches,
    Table,
)
from toril.reports.bundle import Bundle
from toril.reports.cause_block import probable_cause, unasked
from toril.reports.curves import rate_curves
from toril.reports.duet_blocks import duet_table, earlier_table, pairs_charts, pairs_sketches, versions_table
from toril.reports.evidence_blocks import exchange_list
from toril.reports.run_tables import (
    capacity_tables,
    case_table,
    cost_tables,
    error_table,
    failed_share,
    fault_table,
    figure_tables,
    generator_table,
    interval_of,
    is_notable,
    metric_tables,
    service_table,
    share_of,
    time_of,
    window_of,
)
from toril.text import plain

ABOUT: Mapping[str, About] = {  # by code; all other reasons are about the whole run
    **dict.fromkeys(("breach", "excused-breach", "breach-may-not-stand", "no-samples", "unknown-label"), "criteria"),
    **dict.fromkeys(("unknown-metric", "not-measured", "too-few-samples", "kept", "nothing-judged"), "criteria"),
    "not-priced": "criteria",
    **dict.fromkeys(("regression", "unproven", "unsure-arms", "no-regression"), "comparison"),
    **dict.fromkeys(("aa-clean", "aa-false-alarm"), "comparison"),
    **dict.fromkeys(("slower-than-earlier", "within-earlier", "too-few-earlier"), "comparison"),
    **dict.fromkeys(("unreached-load", "dropped-sends"), "load"),
    **dict.fromkeys(("saturated", "late-start", "unsure-clock", "late-rate"), "generators"),
    "failed-test": "cases",
}
UNTRUSTED = "unsure-arms"  # the code of the reason why a comparison is unreliable
# Also for criteria that cannot fail the run
ALWAYS_DECIDES = frozenset({"no-samples", "unknown-label", "unknown-metric"})
LONGEST_BRIEF = 120
MOST_CODES = 20
MOST_FAILURES = 12
MOST_NAMED = 3  # labels in a sentence
FILES = {"jpg": "screenshot", "source.txt": "source", "console.txt": "console", "trace.zip": "trace"}
# by field of the summary
GENERATOR_FIGURES: Mapping[str, Callable[[float], str]] = {
    "cpu_max": lambda share: f"CPU {share_of(share)}",
    "busiest_core_max": lambda share: f"busiest core {share_of(share)}",
    "machine_max": lambda share: f"machine {share_of(share)}",
    "waiting_max": lambda share: f"waiting {share_of(share)}",
    "throttled_max": lambda share: f"throttled {share_of(share)}",
    "late_max_us": lambda late_us: f"send delay {text.time(late_us)}",
    "dropped": lambda count: f"{text.number(count)} sends dropped",
    "sockets_max": lambda count: text.plural(int(count), "socket"),
    "memory_max_bytes": lambda size: f"memory {text.size(size)}",
}
EVIDENCE_UNITS: Mapping[str, Callable[[float], str]] = {  # by the end of a figure's name
    "_us": text.time,
    "_s": text.span,
    "_rps": lambda rate: f"{text.number(rate)}/s",
    "_share": lambda share: text.percent(round(100 * share, 2)),
}
NEUTRAL = "no proof of a change against base, in either direction"
LAST_HINT = (
    "Percentiles come from the merged histograms of all workers, not from averages. A value is never too low, and at "
    "most 0.1 % too high."
)
INTERVAL_HINT = (
    "Below each percentile: its 95 % confidence interval, from the number of samples (order statistics). "
    "∞: too few samples for a bound."
)


def report_of(
    bundle: Bundle, *, duet: Bundle | None = None, charts: Mapping[str, Charts] = {}, compared: Sequence[Block] = ()
) -> Report:
    """Returns the report of a run.

    `duet` is a run that compared the same suite with its base: the report joins both and takes the worse outcome.
    Only the page shows `charts`, by section, and `compared`, the blocks of a comparison with another run.
    """
    duet = duet or bundle
    rules, functional, compared_arms = rules_of(bundle), bundle.plan.functional, duet.verdict.comparison
    blocks: list[Block | None] = [
        Facts("facts", tuple(_facts(bundle))),
        findings(bundle),
        probable_cause(bundle),
        Criteria(rules) if rules else None,
        case_table(bundle) if functional else None,
        duet_table(duet, trusted=duet.outcome == "failed", caveat=_caveat(duet)),
        *((pairs_sketches(compared_arms), pairs_charts(compared_arms), versions_table(duet)) if compared_arms else ()),
        earlier_table(bundle.verdict.earlier) if bundle.verdict.earlier else None,
        *capacity_tables(bundle),
        *cost_tables(bundle),
        fault_table(bundle),
        *compared,
    ]
    figures: list[Block | None] = [
        _sketches(bundle),
        charts.get("course"),
        charts.get("labels"),
        *figure_tables(bundle),
        charts.get("scripts"),
        *metric_tables(bundle),
        _failures_note(bundle),
        NoteBlock("intervals", INTERVAL_HINT, "hint"),
        error_table(bundle),
        exchange_list(bundle),
        _first_failures(bundle),
        charts.get("generators"),
        generator_table(bundle),
        *_caveats(bundle),
        charts.get("server"),
        service_table(bundle),
        *_unanswered(bundle),
        *unasked(bundle),
    ]
    blocks += map(_for_the_page, figures) if functional else figures  # the test cases suffice
    notes = [note for note in bundle.verdict.coded_notes if note.message]
    blocks += [NoteBlock("note", plain(note.message, 1000), cause=plain(note.code)) for note in notes]
    warnings = bundle.plan.notes
    blocks += [NoteBlock("warning", plain(note.message, 1000), cause=plain(note.code)) for note in warnings]
    blocks += [_about(bundle), NoteBlock("page", LAST_HINT, "hint")]
    return Report(headline=_headline(bundle, duet), blocks=tuple(block for block in blocks if block is not None))


def _for_the_page(block: Block | None) -> Block | None:
    if isinstance(block, Table):
        return replace(block, page_only=True)
    if isinstance(block, NoteBlock):
        return replace(block, tone="hint")
    return None if isinstance(block, Sketches) else block


# ── Headline ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _headline(bundle: Bundle, duet: Bundle) -> Headline:
    decisive = [part for part in (bundle, duet) if not _only_unproven(part)]
    worst = min(decisive, key=lambda part: {"failed": 0, "passed": 2}.get(part.outcome, 1), default=bundle)
    reasons = _reasons(bundle)
    if duet is not bundle and duet.outcome != "passed":
        reasons += [
            ShownReason(reason.code, f"against base: {reason.message}", about=reason.about, repeated=reason.repeated)
            for reason in _reasons(duet)
            if reason.about == "comparison" or not reason.repeated
        ]
    files = [place.file for place in bundle.plan.places.values()]
    return Headline(
        suite=plain(bundle.plan.suite),
        text=headline(bundle),
        brief=_brief(worst) if decisive else NEUTRAL,
        outcome=plain(worst.outcome),
        neutral=not decisive,
        judged=bundle.plan.functional
        or bool(bundle.verdict.criteria or duet.verdict.comparison or bundle.verdict.earlier),
        run_id=plain(bundle.plan.run_id),
        on=", ".join([" on Fargate" if bundle.plan.on == "fargate" else "", *bundle.plan.scope]),
        started_at=plain(bundle.summary.started_at or ""),
        duration_s=bundle.summary.duration_s or 0.0,
        file=max(files, key=files.count, default=""),
        reasons=tuple(dict.fromkeys(reasons)),
    )


def _only_unproven(duet: Bundle) -> bool:
    """Returns whether the only open question is an unproven comparison."""
    return duet.outcome == "inconclusive" and {reason.code for reason in duet.verdict.reasons} == {"unproven"}


def _caveat(duet: Bundle) -> str:
    """Returns why the comparison is unreliable; empty if it is reliable."""
    return next((plain(reason.message, 1000) for reason in duet.verdict.reasons if reason.code == UNTRUSTED), "")


def headline(bundle: Bundle) -> str:
    """Returns the verdict in one sentence, with the criterion that ended the load early, if any."""
    if bundle.plan.functional:
        return _functional_headline(bundle)
    scope = (plain(words, 200) for words in bundle.plan.scope)
    return "; ".join((_load_headline(bundle), *_early_end(bundle), *scope))


def _functional_headline(bundle: Bundle) -> str:
    tests = bundle.summary.tests
    total, skipped = (tests.total, tests.skipped) if tests else (0, 0)
    bad = tests.failed + tests.broken if tests else 0
    cases = text.plural(total, "test case")
    if bad:
        return f"{text.number(bad)} of {cases} failed"
    if bundle.outcome == "passed" and skipped:
        return f"{text.number(skipped)} of {cases} skipped, all others passed"
    if bundle.outcome == "passed":
        return f"All {cases} passed" if total > 1 else "The one test case passed"
    return f"Inconclusive: {cases} completed without failures, but the run has problems; see the reasons below"


def _load_headline(bundle: Bundle) -> str:
    outcomes = [rule.outcome for rule in bundle.verdict.criteria]
    broken, earlier = outcomes.count("failed"), bundle.verdict.earlier
    compared = bundle.verdict.comparison or earlier
    message = plain(compared.message, 300).rstrip(".") if compared and compared.outcome == bundle.outcome else ""
    if message and compared is earlier and earlier is not None and earlier.outcome == "passed":
        message = f"no slower than {text.plural(len(earlier.runs), 'earlier run')}"
    if message and not broken:
        held = f"{_criteria_headline(outcomes)}; {message}"
        return held if bundle.outcome == "passed" and outcomes else text.sentence(message)
    of_all = f"{text.number(broken)} of {text.plural(len(outcomes), 'criterion')} breached"
    match bundle.outcome:
        case "passed" if bundle.plan.tried:
            return "Tried: each request succeeded"
        case "failed" if bundle.plan.tried:
            total = bundle.summary.total
            return f"Tried: {text.number(total.failures)} of {text.plural(total.samples, 'request')} failed"
        case "passed" if bundle.is_smoke:
            return "Smoke run: criteria were left out"
        case "passed" if not outcomes:
            return "Complete; not judged, because the suite has no criteria"
        case "passed":
            return _criteria_headline(outcomes)
        case "failed":
            return "; ".join(filter(None, (of_all, message))) if broken else "The run failed"
        case _:
            return f"Inconclusive: {f'{of_all}; ' if broken else ''}see the reasons below"


def _criteria_headline(outcomes: Sequence[str]) -> str:
    """Returns the outcomes of the criteria of a passed run, in which some may not hold without failing it."""
    count = Counter(outcomes)
    if count["passed"] == len(outcomes):
        few = {1: "The criterion holds", 2: "Both criteria hold"}
        return few.get(len(outcomes), f"All {len(outcomes)} criteria hold")
    words = {"passed": "held", "triggered": "triggered as non-failed", "inconclusive": "inconclusive"}
    parts = [f"{text.number(count[outcome])} {what}" for outcome, what in words.items() if count[outcome]]
    return f"No criterion breached: {', '.join(parts)}"


def _early_end(bundle: Bundle) -> Iterator[str]:
    """Yields the criterion that ended the load; the verdict has a reason for any other early end."""
    stop = bundle.summary.stop
    fired = [(rule.at_s, rule.criterion) for rule in bundle.verdict.criteria if rule.stop and rule.window]
    first = min(((at_s, criterion) for at_s, criterion in fired if at_s is not None), default=None)
    if stop and stop.cause == "criterion" and stop.at_s is not None and first:
        planned_s = bundle.plan.duration_s
        planned = f" of {text.span(planned_s)}" if 0 < planned_s < math.inf else ""
        yield f"{text.shortened(plain(first[1]), 100)} ended the load after {text.span(stop.at_s)}{planned}"


def _brief(bundle: Bundle) -> str:
    """Returns the reason for the outcome, short enough for a heading."""
    broken = [rule for rule in bundle.verdict.criteria if rule.outcome == "failed" and rule.message]
    reasons = bundle.verdict.reasons
    if bundle.outcome == "passed" or len(broken) > 1 or not reasons or reasons[0].code == "failed-test":
        sentence = headline(bundle)
        return sentence[:1].lower() + sentence[1:]
    if broken:
        return _cut(plain(broken[0].message or "", 1000))
    others = f" (and {text.plural(len(reasons) - 1, 'more reason')})" if len(reasons) > 1 else ""
    return _cut(plain(reasons[0].message, 1000)) + others


def _cut(words: str) -> str:
    """Returns the clauses that fit; the full text stands below the heading."""
    if len(words) <= LONGEST_BRIEF:
        return words
    end = max(words.rfind(mark, 0, LONGEST_BRIEF) for mark in ("; ", ": ", ", "))
    return f"{words[: end if end > LONGEST_BRIEF // 2 else LONGEST_BRIEF]} …"


def _reasons(bundle: Bundle) -> list[ShownReason]:
    """Returns the reasons for the outcome; empty for a passed run."""
    shown = [plain(rule.message, 1000) for rule in bundle.verdict.criteria if rule.outcome != "passed" and rule.message]
    reasons = []
    for reason in bundle.verdict.reasons if bundle.outcome != "passed" else ():
        message, about = plain(reason.message, 1000), ABOUT.get(reason.code, "run")
        repeated = about in ("cases", "comparison") or any(words in message for words in shown)
        reasons.append(ShownReason(plain(reason.code), message, about=about, repeated=repeated))
    return reasons


# ── Facts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _facts(bundle: Bundle) -> Iterator[Fact]:
    summary, total = bundle.summary, bundle.summary.total
    workers, requested, achieved = summary.workers, summary.load.requested, summary.load.achieved
    if bundle.plan.functional:
        tests = summary.tests
        yield Fact("test cases", text.number(tests.total if tests else 0))
        for name in ("passed", "failed", "broken", "skipped"):
            count = getattr(tests, name) if tests else 0
            if count or name == "passed":
                yield Fact(name, text.number(count))
        yield Fact("workers", f"{workers.reported} of {workers.planned}")
        return
    yield Fact("requests", text.number(total.samples))
    yield Fact("failed", failed_share(total), count=text.number(total.failures) if total.failures else "")
    if total.unfinished:
        yield Fact("unfinished", text.number(total.unfinished))
    rate = f"{text.number(total.rps or 0)}/s"
    if requested.rps is not None and all(load.throughput_rps for load in bundle.plan.executions):
        steady_rps = (total.rps or 0) if achieved.rps is None else achieved.rps
        rate = f"{text.number(steady_rps)} of {text.number(requested.rps)}/s"
    yield Fact("throughput", rate)
    if checks := [one for one in summary.metrics.values() if one.kind == "check"]:
        checked, failed = (sum(getattr(check, key) for check in checks) for key in ("samples", "failures"))
        yield Fact("failed checks", text.share(failed, checked), count=text.number(failed) if failed else "")
    if requested.journeys_per_s is not None:
        started = text.number(achieved.journeys_per_s or 0)
        yield Fact("journeys", f"{started} of {text.number(requested.journeys_per_s)}/s")
    yield Fact("p95", time_of(total, "p95"), interval=interval_of(total, "p95"))
    if requested.virtual_users is not None and achieved.virtual_users is not None:
        users = text.number(round(achieved.virtual_users, 1))
        yield Fact("users", f"{users} of {text.number(requested.virtual_users)}")
    yield Fact("load", text.span(summary.duration_s or 0))
    yield Fact("workers", f"{workers.reported} of {workers.planned or len(bundle.plan.shares)}")


def _about(bundle: Bundle) -> Facts:
    """Returns the properties of the run."""
    summary, codes = bundle.summary, sorted(bundle.summary.total.rc.items())
    shown = [f"{plain(code) or 'none'} × {text.number(count)}" for code, count in codes[:MOST_CODES]]
    if len(codes) > MOST_CODES:
        shown.append(f"and {text.number(len(codes) - MOST_CODES)} more")
    rows = [("run", plain(bundle.plan.run_id)), ("started", plain(summary.started_at or ""))]
    if not bundle.plan.functional:
        rows.append(("figures", f"of the {window_of(bundle)}"))
    rows += [(f"tag {plain(key)}", plain(value)) for key, value in sorted(bundle.tags.items())]
    rows += [("response codes", ", ".join(shown)), ("toril", plain(bundle.plan.toril_version))]
    return Facts("about", tuple(Fact(name, value) for name, value in rows if value))


# ── Criteria ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def rules_of(bundle: Bundle) -> tuple[ShownCriterion, ...]:
    return tuple(_rule(bundle, item) for item in bundle.verdict.criteria)


def _rule(bundle: Bundle, item: JudgedCriterion) -> ShownCriterion:
    observed, threshold, unit, resolution_us = item.observed, item.threshold, item.unit, 1.0
    if item.subject.startswith("p"):  # not for means and deviations: they are finer than one record
        figures = bundle.summary.labels.get(item.label or "") or bundle.summary.total
        resolution_us = figures.resolution_us or 1
    shown, difference = text.quantity(observed, unit, resolution_us), ""
    if observed is not None and threshold is not None:
        shown = text.observed(observed, threshold, unit, resolution_us)
        difference = text.difference(float(observed) - float(threshold), unit)
    executions = " + ".join(map(plain, item.scope.executions))
    scope = [f"execution {executions}"] if executions else []
    scope += [f"location {plain(item.scope.location)}"] if item.scope.location else []
    return ShownCriterion(
        text=plain(item.criterion),
        outcome=plain(item.outcome),
        observed=shown,
        limit=text.limit(threshold, unit),
        difference=difference,
        scope=" · ".join(scope),
        detail=" · ".join((*scope, *_details(item, resolution_us), *_with_failures(bundle, item))),
        message=plain(item.message or "", 1000),
        bar=_bar(observed, threshold),
        executions=executions,
        decides=item.fail is not False or item.code in ALWAYS_DECIDES,
        place=bundle.plan.places.get(item.where),
        subject=plain(item.subject),
        label=plain(item.label),
        code="" if item.outcome == "passed" else plain(item.code),
    )


def _bar(observed: float | None, threshold: float | None) -> tuple[float, float] | None:
    if observed is None or threshold is None or min(observed, threshold) < 0 or not (observed or threshold):
        return None
    longest = max(observed, threshold) * 1.25
    return round(100 * observed / longest, 1), round(100 * threshold / longest, 1)


def _details(item: JudgedCriterion, resolution_us: float) -> Iterator[str]:
    if item.window:
        worst = "" if item.at_s is not None else "at worst "
        yield f"{worst}from {int(item.window.from_s)} s to {int(item.window.to_s) + 1} s"
    if item.samples is not None:
        yield text.plural(item.samples, item.counted)
    if item.interval and item.interval != (None, None):
        low, high = item.interval
        bottom = "0" if low is None else text.quantity(low, item.unit, resolution_us)
        top = "∞" if high is None else text.quantity(high, item.unit, resolution_us)
        yield f"95 % interval {bottom} to {top}"


def _with_failures(bundle: Bundle, item: JudgedCriterion) -> Iterator[str]:
    """Yields the share of failed requests, if their times may have changed the observed time."""
    figures = bundle.summary.labels.get(item.label or "")
    whole = not item.scope.executions and not item.scope.location
    if item.unit == "us" and item.counted == "sample" and whole and figures is not None and is_notable(figures):
        yield f"{failed_share(figures)} of these requests failed; their times are included"


# ── Findings, course, first failures, notes ───────────────────────────────────────────────────────────────────────────


def findings(bundle: Bundle) -> Findings | None:
    """Returns the findings, most severe first; None if there are none."""
    shown = tuple(map(_finding, bundle.summary.standouts))
    return Findings(shown) if shown else None


def _finding(finding: RunFinding) -> ShownFinding:
    known = finding.from_s is not None and finding.to_s is not None
    return ShownFinding(
        code=plain(finding.code),
        text=plain(finding.message, 1000),
        facts=tuple(_evidence(name, value) for name, value in finding.evidence.items() if value != ""),
        window=(float(finding.from_s or 0), float(finding.to_s or 0)) if known else None,
        label=plain(finding.label),
    )


def _evidence(name: str, value: float | str) -> Fact:
    unit = next((end for end in EVIDENCE_UNITS if name.endswith(end)), "")
    title = plain(name.removesuffix(unit).replace("_", " "))
    if isinstance(value, str):
        return Fact(title, plain(value))
    return Fact(title, EVIDENCE_UNITS[unit](value) if unit else text.number(value))


def _sketches(bundle: Bundle) -> Sketches | None:
    """Returns requests, p95 and failures per second, and the planned rate if it changed."""
    whole = bundle.summary.series[: bundle.whole_seconds]
    if len(whole) < 2:
        return None
    curves, several = rate_curves(bundle), len(bundle.plan.executions) > 1
    samples = [float(second.samples) for second in whole]
    shared = max((0.0, *(max(*drawn.planned, *drawn.achieved) for drawn in curves))) if not several else 0.0
    lines = [Sketch("requests", samples, f"{text.number(max(samples))}/s", highest=shared)]
    for curve in curves:
        of, highest = f" of {plain(curve.execution)}" if several else "", max(*curve.planned, *curve.achieved, 0.0)
        for name, values in (("planned", curve.planned), *((("achieved", curve.achieved),) if several else ())):
            peak = f"{text.number(round(max(values, default=0.0), 1))}/s{of}"
            lines.append(Sketch(name, values, peak, highest=highest))
    known = [second.p95_us for second in whole if second.p95_us is not None]
    if known:
        lines.append(Sketch("p95", [second.p95_us for second in whole], text.time(max(known))))
    failures = [float(second.failures) for second in whole]
    if any(failures):
        lines.append(Sketch("failed", failures, f"{text.number(max(failures))}/s"))
    return Sketches(tuple(lines))


def _first_failures(bundle: Bundle) -> Failures | None:
    failures = []
    for failure in bundle.summary.first_failures[:MOST_FAILURES]:
        pictures = (bundle.pictures.get(file) for file in failure.files)
        failures.append(
            Failure(
                label=plain(failure.label),
                message=plain(failure.message, 500),
                place=plain(f"{failure.worker}, {failure.execution}, second {failure.at_s:.0f}"),
                picture=next((picture for picture in pictures if picture), b""),
                links=tuple(
                    (FILES.get(file.rpartition("/")[2].partition(".")[2], "file"), file)
                    for file in failure.files
                    if file.startswith("workers/")
                ),
            )
        )
    return Failures(tuple(failures)) if failures else None


def _failures_note(bundle: Bundle) -> NoteBlock | None:
    """Returns the meaning of † beside a percentile; None if no percentile has one."""
    if not any(is_notable(figures) for figures in bundle.summary.labels.values()):
        return None
    words = "† more than 1 % of these requests failed; the figures include their times"
    failed = bundle.summary.total.failed_response_us
    if failed and failed.p95:
        in_words = partial(text.time, resolution_us=bundle.summary.total.resolution_us or 1)
        shown, ends = in_words(failed.p95), failed.interval.get("p95")
        sure = f" ({text.interval(ends, shown, in_words)})" if ends else ""
        words += f". The p95 of the failed requests alone is {shown}{sure}"
    return NoteBlock("failed-requests", words, "caution")


def _caveats(bundle: Bundle) -> Iterator[NoteBlock]:
    """Yields the limits of the figures."""
    for line in saturated_lines(bundle):
        yield NoteBlock("saturated", line, "caution")
    if load := generator_load(bundle):
        yield NoteBlock("generators", load, "detail")
    if bundle.cost:
        yield NoteBlock("cost", bundle.cost, "detail")
    if unjudged := list(not_judged(bundle)):
        yield NoteBlock("not-judged", f"not judged: {' · '.join(unjudged)}", "detail")


def saturated_lines(bundle: Bundle) -> Iterator[str]:
    """Yields each saturated generator with its signs, then the advice; nothing if a reason of the verdict states it."""
    load = bundle.summary.generators
    if load is None or (bundle.outcome != "passed" and "saturated" in {why.code for why in bundle.verdict.reasons}):
        return
    for name in load.saturated:
        signs = load.workers[name].saturation if name in load.workers else ()
        why, worker = "; ".join(plain(sign.message, 1000) for sign in signs), f"worker {plain(name)}"
        yield f"{worker} was saturated{': ' + why.removeprefix(worker + ' ') if why else ''}"
    if load.advice:
        yield plain(load.advice, 1000)


def generator_load(bundle: Bundle) -> str:
    """Returns the worst figures of the load generators in one line; empty without measurements."""
    load = bundle.summary.generators
    if load is None:
        return ""
    workers: list[Generator] = list(load.workers.values())
    parts = []
    for key, shown in GENERATOR_FIGURES.items():
        own: list[float] = [value for worker in workers if (value := getattr(worker, key)) is not None]
        worst = sum(own) if key == "dropped" else max(own, default=getattr(load, key))
        if worst is not None and (worst or key not in ("throttled_max", "dropped")):
            parts.append(shown(worst))
    scope = f"maximum of {len(workers)} generators" if len(workers) > 1 else "generator maximum"
    return f"{scope}: {' · '.join(parts)}" if parts else ""


def not_judged(bundle: Bundle) -> Iterator[str]:
    """Yields the parts of the run that the verdict does not cover."""
    rules = bundle.verdict.criteria
    if bundle.plan.functional:
        return
    if not rules:
        without = f"a {'try' if bundle.plan.tried else 'smoke run'} leaves out criteria"
        yield f"all requests: {without if bundle.is_smoke else 'the suite has no criteria'}"
        return
    undecided = sum(rule.outcome == "inconclusive" for rule in rules)
    if undecided:
        yield text.plural(undecided, "criterion")
    measured = sum(second.samples for second in bundle.summary.series)
    if bundle.plan.ramp_up_exclude and measured > bundle.summary.total.samples:
        yield f"{text.plural(measured - bundle.summary.total.samples, 'request')} outside the steady state"
    judged = {rule.label for rule in rules if rule.label and not rule.subject.startswith(("check-", "metric-"))}
    if judged:
        covered = judged | {f"{name}{TRANSACTION}" for name in judged}
        names = [name for name in bundle.summary.labels if name and name not in (*covered, JOURNEY_START)]
        if names:
            shown = ", ".join(plain(name, 60) for name in names[:MOST_NAMED])
            more = f" and {text.number(len(names) - MOST_NAMED)} more" if len(names) > MOST_NAMED else ""
            yield f"labels without a criterion: {shown}{more}"


def _unanswered(bundle: Bundle) -> Iterator[NoteBlock]:
    """Yields the CloudWatch queries without data."""
    for query in bundle.metrics.queries if bundle.metrics else ():
        if query.error or (not query.points and query.resource is None):
            why = plain(query.error or "CloudWatch has no data for this time", 500)
            yield NoteBlock("no-metric", f"{plain(query.key)}: {why}", "detail")
