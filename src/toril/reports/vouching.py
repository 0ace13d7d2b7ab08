"""What a reader has to know of a run before believing its figures: how the generators fared, what was not judged."""

from collections.abc import Iterator

from toril.reports import view, wording
from toril.reports.bundle import Bundle

MOST_NAMED = 3  # names in a sentence before it says how many more there are


def health(bundle: Bundle) -> str:
    """How hard the load generators worked, the worst of them, in a line; empty when nothing was measured."""
    found = bundle.summary.get("generators") or {}
    workers = list((found.get("workers") or {}).values())

    def worst(key: str) -> float | None:
        own = [worker[key] for worker in workers if worker.get(key) is not None]
        return max(own, default=found.get(key))

    parts = [
        f"{name} {wording.percent(round(100 * value, 1))}"
        for name, key in (
            ("CPU", "cpu_max"),
            ("busiest core", "busiest_core_max"),
            ("machine", "machine_max"),
            ("waiting", "waiting_max"),
        )
        if (value := worst(key)) is not None
    ]
    if throttled := worst("throttled_max"):
        parts.append(f"throttled {wording.percent(round(100 * throttled, 1))}")
    if (late_us := worst("late_max_us")) is not None and late_us >= 0:
        parts.append(f"sends late by {wording.time(late_us)}")
    dropped = sum(worker.get("dropped") or 0 for worker in workers)
    if dropped:
        parts.append(f"{wording.number(dropped)} sends dropped")
    if (sockets := worst("sockets_max")) is not None and sockets >= 0:
        parts.append(wording.plural(int(sockets), "socket"))
    if (memory := worst("memory_max_bytes")) is not None and memory >= 0:
        parts.append(f"memory {wording.size(memory)}")
    if not parts:
        return ""
    noun = "generator" if len(workers) == 1 else f"worst of {len(workers)} generators" if workers else "generators"
    return f"{noun} at most: {' · '.join(parts)}"


def saturated(bundle: Bundle) -> list[str]:
    """The generators that had no room left, each with what showed it; then what to do about it.

    Nothing where the reasons of the verdict tell all of it.
    """
    found = bundle.summary.get("generators") or {}
    if bundle.outcome != "passed" and "saturated" in {code for code, _ in view.reasons(bundle)}:
        return []
    lines = []
    for name in found.get("saturated") or ():
        signs = (found.get("workers") or {}).get(name, {}).get("saturation") or ()
        told = "; ".join(wording.plain(sign.get("message", ""), 1000) for sign in signs)
        worker = f"worker {wording.plain(name)}"
        lines.append(f"{worker} was saturated{': ' + told.removeprefix(worker + ' ') if told else ''}")
    if found.get("advice"):
        lines.append(wording.plain(found["advice"], 1000))
    return lines


def not_judged(bundle: Bundle) -> list[str]:
    """What the verdict does not speak of, each in a few words."""
    return list(_not_judged(bundle))


def _not_judged(bundle: Bundle) -> Iterator[str]:
    rules = bundle.verdict.get("criteria", ())
    if not rules:
        yield "anything: the suite has no criteria"
        return
    undecided = sum(rule.get("outcome") == "inconclusive" for rule in rules)
    if undecided:
        yield wording.plural(undecided, "criterion") + ""
    outside = _outside(bundle)
    if outside:
        yield f"{wording.plural(outside, 'request')} outside of the steady load"
    if any(rule.get("label") for rule in rules):
        judged = {str(rule.get("label")) for rule in rules}
        names = [name for name in bundle.summary.get("labels", {}) if name and not _covered(name, judged)]
        if names:
            yield f"labels that no criterion names: {listed(names)}"


def _outside(bundle: Bundle) -> int:
    """Samples that were measured and are in no figure, because the ramp-up and what came after are left out."""
    if not bundle.plan.ramp_up_exclude:
        return 0
    seen = sum(int(second.get("samples") or 0) for second in bundle.summary.get("series", ()))
    return max(0, seen - view.overall(bundle).samples)


def _covered(name: str, judged: set[str]) -> bool:
    return name in judged or name.removesuffix(" (transaction)") in judged


def listed(names: list[str]) -> str:
    """
    >>> listed(["a", "b"]), listed(list("abcdef"))
    ('a, b', 'a, b, c and 3 more')
    """
    shown = ", ".join(wording.plain(name, 60) for name in names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{shown} and {wording.number(more)} more" if more > 0 else shown
