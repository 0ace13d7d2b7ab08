"""One pass through a scenario, derived from the suite alone."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from toril.criteria import duration_s
from toril.records import Journey
from toril.secrets.masking import mask_label
from toril.suite.engines import BLOCKS, PHASES
from toril.suite.scenarios import expanded, includes_twice, label_of

MEAN = re.compile(r"\w+\(([^,()]+),.*\)")  # of a distribution of think-times


class Iteration(NamedTuple):
    """One pass through a generated scenario: its requests by label, and its think-times in seconds."""

    labels: Counter[str]
    think_s: float


def iteration_of(scenario: Any) -> Iteration | None:
    """Returns a scenario's iteration; None if a script or a block decides what it sends."""
    requests = scenario.get("requests") if isinstance(scenario, dict) and not scenario.get("script") else None
    listed = requests if isinstance(requests, list) else ()  # the reader checks only scenarios that run
    whole = [request for request in _unfolded(listed) if not _sends_nothing(request)]
    if not whole or any(key in request for request in whole for key in (*BLOCKS, *PHASES)):
        return None
    labels = Counter(str(request.get("label") or request.get("url") or "") for request in whole)
    return Iteration(labels, sum(_seconds(request.get("think-time", scenario.get("think-time"))) for request in whole))


def journey_of(scenarios: Mapping[str, Any], name: str) -> Journey | None:
    """Returns a scenario as a journey; None if blocks decide about its requests, and its first one has no own label.

    `scenarios`: with the values of references, as workers read them.
    """
    if iteration := iteration_of(scenarios.get(name)):
        first, times = min(iteration.labels.items(), key=itemgetter(1))
        return Journey(requests=iteration.labels.total(), first=mask_label(first), times=times)
    sending = [label_of(request) for request in expanded(scenarios, name) if not _sends_nothing(request)]
    if not sending or sending[0] is None or sending.count(sending[0]) > 1 or includes_twice(scenarios, name):
        return None
    return Journey(first=mask_label(sending[0]))


def _sends_nothing(request: Any) -> bool:
    """Whether a step only groups others, or only sets variables."""
    return isinstance(request, dict) and ("transaction" in request or "set-variables" in request)


def _unfolded(requests: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yields requests and blocks; transactions only group theirs."""
    for request in requests:
        if isinstance(request, dict) and "transaction" in request and isinstance(request.get("do"), list):
            yield from _unfolded(request["do"])
        else:
            yield request if isinstance(request, dict) else {"url": request}


def _seconds(written: object) -> float:
    """Returns a think-time, or the mean of its distribution; 0 for a reference."""
    mean = MEAN.fullmatch(str(written or 0))
    try:
        return float(duration_s(mean[1] if mean else written)) if written else 0.0
    except ValueError:
        return 0.0
