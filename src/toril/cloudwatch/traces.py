"""X-Ray's traces: how long each part of a request took itself, without the parts that it waited for."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toril.aws.client import Clients, call

RIGHT = "xray:BatchGetTraces"
TRACES_PER_CALL = 5  # BatchGetTraces' maximum
MOST_TRACES = 40


@dataclass(frozen=True, slots=True)
class _Node:
    """A segment or a subsegment; `parent` is empty for the root."""

    id: str
    parent: str
    name: str
    from_s: float
    to_s: float


def own_times(
    trace_ids: Sequence[str], region: str, clients: Clients, check: Callable[[], object] = lambda: None
) -> dict[str, dict[str, float]]:
    """Returns the own time of each part in µs, by W3C trace id; X-Ray may lack traces, as it samples. AwsError.

    `check` is called before each request, of which there are a few.
    """
    named = {f"1-{trace_id[:8]}-{trace_id[8:]}": trace_id for trace_id in dict.fromkeys(trace_ids[:MOST_TRACES])}
    asked, answers = list(named), dict[str, dict[str, float]]()
    for first in range(0, len(asked), TRACES_PER_CALL):
        request: dict[str, Any] = {"TraceIds": asked[first : first + TRACES_PER_CALL]}
        while True:
            check()
            page = call(clients("xray", region).batch_get_traces, RIGHT, **request)
            for trace in page.get("Traces", ()):
                nodes = list(_nodes(segment["Document"] for segment in trace.get("Segments", ())))
                if trace.get("Id") in named and nodes and not trace.get("LimitExceeded"):
                    answers[named[trace["Id"]]] = _own(nodes)
            if not page.get("NextToken") or page["NextToken"] == request.get("NextToken"):
                break
            request["NextToken"] = page["NextToken"]
    return answers


def _nodes(documents: Iterable[str]) -> Iterator[_Node]:
    for document in documents:
        try:
            content = json.loads(document)
            if not content.get("inferred"):  # X-Ray's copy of a subsegment
                yield from _tree(content, content.get("parent_id") or "")
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # the service's code wrote it


def _tree(part: Mapping[str, Any], parent: str) -> Iterator[_Node]:
    if "end_time" in part:
        about = part.get("aws") or {}
        words = (part["name"], about.get("operation"), about.get("table_name") or about.get("resource_names"))
        name = " ".join(", ".join(map(str, word)) if isinstance(word, list) else str(word) for word in words if word)
        yield _Node(str(part["id"]), parent, name[:100], float(part["start_time"]), float(part["end_time"]))
    for child in part.get("subsegments") or ():
        yield from _tree(child, str(part["id"]))


def _own(nodes: Sequence[_Node]) -> dict[str, float]:
    """Returns the time of each part outside its children, in µs; parts with one name together."""
    own: dict[str, float] = {}
    for node in nodes:
        inner = sorted((one.from_s, one.to_s) for one in nodes if one.parent == node.id)
        left_s, at_s = node.to_s - node.from_s, node.from_s
        for from_s, to_s in inner:
            start_s, end_s = max(at_s, from_s), min(node.to_s, to_s)
            if end_s > start_s:
                left_s, at_s = left_s - (end_s - start_s), end_s
        own[node.name] = own.get(node.name, 0.0) + max(0.0, left_s) * 1e6
    return own
