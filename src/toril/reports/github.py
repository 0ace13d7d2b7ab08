"""GitHub-flavoured Markdown for a job summary or a comment."""

from collections.abc import Iterable, Sequence

from toril.reports import view, wording
from toril.reports.bundle import Bundle

LARGEST = 1024 * 1024  # GitHub's limit for one step's summary, in bytes
MOST_ROWS = 100
ICONS = {"passed": "✅", "failed": "❌", "inconclusive": "⚠️", "triggered": "🔔"}
SPECIAL = '\\`*_{}[]()#!|~<>&"$:'


def report(bundle: Bundle) -> bytes:
    outcome = bundle.outcome
    icon = ICONS.get(outcome, "⚠️")
    parts = [
        f"## {icon} {escaped(bundle.plan.suite)}: {outcome}",
        f"{escaped(view.headline(bundle))}.",
        " · ".join(f"{name} **{escaped(value)}**" for name, value in view.facts(bundle)),
    ]
    told = [] if outcome == "passed" else view.reasons(bundle)
    parts.append("\n".join(f"- {escaped(message)} ({code(reason)})" for reason, message in told[:MOST_ROWS]))
    rules = view.criteria(bundle)
    if rules:
        rows = [
            (
                ICONS.get(rule.outcome, "⚠️"),
                code(rule.text),
                escaped(rule.observed),
                escaped(rule.limit),
                escaped(rule.difference),
                escaped(" · ".join(text for text in (rule.remark, rule.detail) if text)),
            )
            for rule in rules
        ]
        parts.append(
            table(("", "fails when", "observed", "limit", "difference", "judged on"), "::rrr:", rows, "criteria")
        )
    parts.append(_figures("label", view.labels(bundle)))
    if len(view.locations(bundle)) > 1:
        parts.append(_figures("location", view.locations(bundle)))
    errors = [(code(message), code(rc), wording.number(count)) for message, rc, count in view.errors(bundle)]
    if errors:
        parts.append(table(("error", "code", "count"), "::r", errors, "errors"))
    parts.append(escaped(view.failures_note(bundle)))
    version = escaped(bundle.plan.toril_version)
    parts.append(f"<sub>run {code(bundle.plan.run_id)} · {view.window(bundle)} · toril {version}</sub>")
    return _limited("\n\n".join(part for part in parts if part) + "\n")


def escaped(text: object) -> str:
    """A string that Markdown shows and does not obey, in a table as well; and nobody is called by it."""
    shown = "".join(f"&#{ord(c)};" if c in SPECIAL else c for c in wording.plain(text))
    return shown.replace("@", "@\u200b").replace("www.", "www&#46;")


def code(text: object) -> str:
    return f"<code>{escaped(text)}</code>"


def table(head: Sequence[str], align: str, rows: Sequence[Sequence[str]], noun: str) -> str:
    """A table of at most MOST_ROWS rows, which says how many more there are. `align`: r for right, one a column."""
    rule = "|".join("--:" if side == "r" else ":--" for side in align)
    lines = [_line(head), f"|{rule}|", *(_line(row) for row in rows[:MOST_ROWS])]
    if len(rows) > MOST_ROWS:
        lines.append(f"\n… and {wording.number(len(rows) - MOST_ROWS)} more {noun}")
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _figures(noun: str, rows: Sequence[view.Row]) -> str:
    head = (noun, "requests", "failed", "req/s", "p50", "p95", "p99", "max")
    cells = [
        (
            code(row.name),
            wording.number(row.samples),
            escaped(row.failed),
            escaped(wording.number(row.rps)),
            *(escaped(row.time(key) + row.mark) for key in ("p50", "p95", "p99", "max")),
        )
        for row in rows
    ]
    return table(head, ":rrrrrrr", cells, f"{noun}s")


def _limited(text: str) -> bytes:
    data = text.encode()
    if len(data) <= LARGEST:
        return data
    note = "\n\n… cut at GitHub&#39;s limit\n".encode()
    return data[: LARGEST - len(note)].rpartition(b"\n")[0] + note
