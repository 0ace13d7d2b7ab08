"""Says in what engines differ, case by case."""

from collections.abc import Iterator, Mapping, Sequence

from tests.engines.differential.observe import Case, Observed


def expected(case: Case, observed: Mapping[str, Mapping[str, Observed]]) -> Observed | None:
    """Returns what toril's engine has to send and record: as the case says, else as the engine that it follows."""
    followed = observed.get(case.like, {}).get(case.name) or observed.get("apiritif", {}).get(case.name)
    if case.sends is None and case.records is None:
        return followed
    sent = followed.sent if followed and case.sends is None else [list(case.sends or ())]
    if case.records is not None:
        labels = {label: (counts[0], counts[1]) for label, counts in case.records.items()}
        return Observed(sent, dict(sorted(labels.items())))
    return Observed(sent, followed.labels if followed else {})


def differences(cases: Sequence[Case], observed: Mapping[str, Mapping[str, Observed]]) -> Iterator[str]:
    """Yields a text for each case in which an engine differs without a reason, or has a reason and does not differ."""
    for case in cases:
        wanted = expected(case, observed)
        for engine, found in observed.items():
            if case.name not in found or wanted is None:
                continue
            same = found[case.name] == wanted
            if same and engine in case.differs:
                yield f"{case.name}: {engine} does not differ: remove `{case.differs[engine]}`"
            elif not same and engine not in case.differs:
                yield f"{case.name}: {engine} differs\n{found[case.name]}\n instead of\n{wanted}"
