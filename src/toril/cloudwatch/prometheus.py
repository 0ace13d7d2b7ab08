"""Reads metrics by PromQL, from Prometheus or another server with its `query_range`, such as Thanos or VictoriaMetrics.

A query has one series. A value is the server's at the end of a period: `rate(x[1m])` looks back from there. A value
that is no number, such as 0/0, is missing.
"""

import json
import math
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

from urllib3 import Retry, Timeout
from urllib3.exceptions import HTTPError

from toril.aws.errors import AwsError, Fault, one_line
from toril.aws.secrets import read_secrets
from toril.cloudwatch.calls import Readings, Span
from toril.errors import UserError
from toril.records import PROMETHEUS, MetricQuery, Plan
from toril.store.connections import pool_for

PATH = "/api/v1/query_range"
TIMEOUT = Timeout(connect=3, read=5, total=8)  # less than a lease's 15 s; the caller repeats the request
MOST_BYTES = 4 << 20  # 11,000 points, Prometheus' limit, need less than 1 MiB
SCHEMES = ("basic ", "bearer ")
BUSY, DENIED, REFUSED = frozenset({408, 429, *range(500, 600)}), frozenset({401, 403}), frozenset({400, 422})

Authorize = Callable[[str], str]  # id of a resource → the value of the header `Authorization`; empty: none


def authorization(plan: Plan) -> Authorize:
    """Returns the function that reads the tokens of a plan, each once; it raises a UserError.

    A token that begins with its scheme, such as `Basic dXNlcjpwYXNz`, is sent as it is.
    """
    tokens = {resource.id: resource.token for resource in plan.service if resource.token}

    @cache
    def authorize(address: str) -> str:
        if not (name := tokens.get(address, "")):
            return ""
        token = read_secrets({name: plan.secrets[name]})[name].strip()
        return token if token.lower().startswith(SCHEMES) else f"Bearer {token}"

    return authorize


def ask(query: MetricQuery, asked: Span, authorize: Authorize) -> Readings:
    """Returns the values of the periods that have ended, or the fault."""
    address = query.resource or ""
    times = {"start": asked.begin + asked.period_s, "end": asked.end, "step": asked.period_s}
    url = f"{address.rstrip('/').removesuffix(PATH)}{PATH}?{urlencode({'query': query.promql, **times})}"
    try:
        own = {"Authorization": token} if (token := authorize(address)) else {}
        answer = pool_for(url).request(
            "GET", url, headers={"User-Agent": "toril", **own}, timeout=TIMEOUT,
            retries=Retry(0, redirect=False), redirect=False, preload_content=False,
        )  # fmt: skip
        body = answer.read(MOST_BYTES)
        answer.release_conn()
    except AwsError as error:
        return Readings(fault=error.fault)
    except UserError as error:
        return Readings(fault=Fault(code=error.code, problem=str(error)))
    except HTTPError as error:
        why = str(getattr(error, "reason", error) or error).rpartition(": ")[2]
        return _fault("it cannot be reached", "check address, network and proxy", address, why, code="unreachable")
    try:
        return _read(answer.status, json.loads(body), asked, address)
    except (ValueError, KeyError, TypeError, AttributeError):
        return _refused(answer.status, "", address)


def _read(status: int, reply: Any, asked: Span, address: str) -> Readings:
    if reply["status"] != "success":
        return _refused(status, one_line(reply["error"]), address)
    partial = [text for text in reply.get("warnings", ()) if not text.startswith("PromQL ")]  # remarks on the query
    if partial:
        return _fault("the answer is partial", "try again later", address, one_line(partial[0]), code="busy")
    series = reply["data"]["result"]
    if len(series) > 1:
        fix = "select one by its labels, or combine them, such as by `sum(…)` or `max(…)`"
        return _fault(f"the query has {len(series)} series", fix, address, code="too-many-series")
    points: dict[int, float] = {}
    for at, text in series[0]["values"] if series else ():
        begin, value = round(float(at)) - asked.period_s, float(text)
        if asked.begin <= begin < asked.end and math.isfinite(value):
            points[begin] = value
    return Readings(points)


def _refused(status: int, message: str, address: str) -> Readings:
    if status in DENIED:
        return _fault(f"access denied, status {status}", "check `token`", address, message, code="access-denied")
    if status in BUSY:
        return _fault(f"it is busy, status {status}", "try again later", address, message, code="busy")
    if status in REFUSED and message:
        return _fault("it refused the query", "correct it", address, message, code="refused-query")
    what = f"the answer is not from Prometheus, status {status}"
    return _fault(what, f"name the address before `{PATH}`", address, message, code="not-prometheus")


def _fault(problem: str, fix: str, address: str, message: str = "", *, code: str) -> Readings:
    where = f"{PROMETHEUS} at {urlsplit(address).netloc}"
    return Readings(fault=Fault(code=code, problem=problem, fix=fix, where=where, message=message))
