"""X-Ray's traces: how long each part of a request took itself, without the parts that it waited for."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from toril.aws.client import Clients, call

RIGHT = "xray:BatchGetTraces"
TRACES_PER_CALL = 5  # BatchGetTraces' maximum
ATTEMPTS = 2


class _Part(NamedTuple):
    """A segment or a subsegment; `parent` is empty for the root."""

    id: str
    parent: str
    name: str
    from_s: float
    to_s: float


def own_times(
    trace_ids: Iterable[str], region: str, clients: Clients, check: Callable[[], object] = lambda: None
) -> dict[str, dict[str, float]]:
    """Returns the own time of each part in µs, by W3C trace id; X-Ray may lack traces, as it samples. AwsError.

    `check` is called before each request, of which there are a few. Unprocessed traces are asked for once more.
    """
    named = {f"1-{trace_id[:8]}-{trace_id[8:]}": trace_id for trace_id in trace_ids}
    asked, answers = list(named), dict[str, dict[str, float]]()
    for _ in range(ATTEMPTS):
        unprocessed: list[str] = []
        for page in _pages(asked, clients, region, check):
            unprocessed += page.get("UnprocessedTraceIds", ())
            for trace in page.get("Traces", ()):
                parts = list(_parts(segment["Document"] for segment in trace.get("Segments", ())))
                if trace["Id"] in named and parts:
                    answers[named[trace["Id"]]] = _own(parts)
        asked = [one for one in unprocessed if one in named]
    return answers


def _pages(
    asked: Sequence[str], clients: Clients, region: str, check: Callable[[], object]
) -> Iterator[dict[str, Any]]:
    for first in range(0, len(asked), TRACES_PER_CALL):
        request: dict[str, Any] = {"TraceIds": asked[first : first + TRACES_PER_CALL]}
        while request:
            check()
            page = call(lambda **named: clients("xray", region).batch_get_traces(**named), RIGHT, **request)
            yield page
            token = page.get("NextToken")
            request = {**request, "NextToken": token} if token and token != request.get("NextToken") else {}


def _parts(documents: Iterable[str]) -> Iterator[_Part]:
    for document in documents:
        try:
            content = json.loads(document)
            if not content.get("inferred"):  # X-Ray's copy of a subsegment
                yield from _tree(content, content.get("parent_id") or "")
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # the service's code wrote it


def _tree(part: Mapping[str, Any], parent: str) -> Iterator[_Part]:
    if "end_time" in part:
        about = part.get("aws") or {}
        words = (part["name"], about.get("operation"), about.get("table_name"))
        name = " ".join(str(word) for word in words if word)[:100]
        yield _Part(str(part["id"]), parent, name, float(part["start_time"]), float(part["end_time"]))
    for child in part.get("subsegments") or ():
        yield from _tree(child, str(part["id"]))


def _own(parts: Sequence[_Part]) -> dict[str, float]:
    """Returns the time of each part outside its children, in µs; parts with one name together."""
    own, children = dict[str, float](), defaultdict[str, list[_Part]](list)
    unique = {part.id: part for part in parts}.values()  # a subsegment may be sent alone and within its segment
    for part in sorted(unique, key=lambda part: part.from_s):
        children[part.parent].append(part)
    for part in unique:
        left_s, at_s = part.to_s - part.from_s, part.from_s
        for child in children[part.id]:
            start_s, end_s = max(at_s, child.from_s), min(part.to_s, child.to_s)
            left_s, at_s = left_s - max(0.0, end_s - start_s), max(at_s, end_s)
        own[part.name] = own.get(part.name, 0.0) + max(0.0, left_s) * 1e6
    return own
