"""CloudWatch Logs Insights: the log lines of a minute, and counts of texts by minute, bounded in scanned bytes.

Times are seconds since the epoch. Each scanned byte costs money, so the size of the logs is read before, from the free
metric `IncomingBytes`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from toril.aws.client import Clients, call
from toril.aws.errors import AwsError, Fault
from toril.clock import Clock
from toril.cloudwatch.calls import Span, ask
from toril.records import MetricQuery

START, RESULTS, STOP = "logs:StartQuery", "logs:GetQueryResults", "logs:StopQuery"
USD_PER_GB = 0.005  # us-east-1, 2026-11
MOST_BYTES = 1 << 30  # of each query
MOST_LINES = 10_000
POLL_S, LIMIT_S, MINUTE_S = 1.0, 60.0, 60


@dataclass(slots=True)
class Logs:
    """Log groups (names or ARNs) of one region. `check` is called while a query runs; False ends it."""

    groups: tuple[str, ...]
    clients: Clients
    clock: Clock
    check: Callable[[], bool] = lambda: True
    scanned_bytes: int = 0  # by all queries

    @property
    def region(self) -> str:
        """The region of the groups; empty: the environment's."""
        return next((group.split(":")[3] for group in self.groups if group.startswith("arn:")), "")

    def size(self, from_at: float, to_at: float) -> int:
        """Returns the bytes that came in between both times. AwsError."""
        names = [group.rpartition(":")[2] for group in self.groups]
        about: dict[str, Any] = {"namespace": "AWS/Logs", "metric": "IncomingBytes", "statistic": "Sum"}
        wanted = [MetricQuery(**about, dimensions={"LogGroupName": name}, region=self.region or None) for name in names]
        begin, end = int(from_at // MINUTE_S) * MINUTE_S, (int(to_at // MINUTE_S) + 1) * MINUTE_S
        span = Span(begin, end, end - MINUTE_S, MINUTE_S)
        answers = list(ask(wanted, span, lambda region: self.clients("cloudwatch", region or "")).values())
        if failed := next((answer.fault for answer in answers if answer.fault), None):
            raise AwsError(failed)
        return round(sum(sum(answer.points.values()) for answer in answers))

    def lines(self, minute: int) -> list[str]:
        """Returns the first lines of the minute that begins then. AwsError."""
        words = f"fields @message | sort @timestamp asc | limit {MOST_LINES}"
        return [row.get("@message", "") for row in self._query(words, minute, minute + MINUTE_S)]

    def counts(self, texts: Sequence[str], from_at: float, to_at: float) -> dict[int, list[int]]:
        """Returns how many lines have each text, by the start of their minute. AwsError.

        Texts have neither quotation marks nor backslashes.
        """
        fields = ", ".join(f'strcontains(@message, "{text}") as f{place}' for place, text in enumerate(texts))
        sums = ", ".join(f"sum(f{place}) as n{place}" for place in range(len(texts)))
        minutes = {}
        for row in self._query(f"fields {fields} | stats {sums} by bin({MINUTE_S}s)", from_at, to_at):
            at = datetime.fromisoformat(row[f"bin({MINUTE_S}s)"]).replace(tzinfo=UTC)
            minutes[int(at.timestamp())] = [round(float(row.get(f"n{place}", 0))) for place in range(len(texts))]
        return minutes

    def _query(self, words: str, from_at: float, to_at: float) -> list[dict[str, str]]:
        client, until = self.clients("logs", self.region), self.clock.now() + LIMIT_S
        asked = {"logGroupIdentifiers": list(self.groups), "startTime": int(from_at), "endTime": int(to_at) - 1}
        query = call(client.start_query, START, **asked, queryString=words)["queryId"]  # both ends count
        while True:
            answer: Mapping[str, Any] = call(client.get_query_results, RESULTS, queryId=query)
            status, scanned = answer.get("status"), int(answer.get("statistics", {}).get("bytesScanned", 0))
            is_going = status in ("Scheduled", "Running")
            if is_going and self.check() and self.clock.now() < until and scanned <= MOST_BYTES:
                self.clock.sleep(POLL_S)
                continue
            self.scanned_bytes += scanned
            if status == "Complete":
                return [{one["field"]: one.get("value", "") for one in row} for row in answer.get("results", ())]
            if not is_going:
                raise _failed(f"the query ended as {status}")
            with suppress(AwsError):  # it may have ended meanwhile
                call(client.stop_query, STOP, queryId=query)
            if scanned > MOST_BYTES:
                raise _failed(f"the query read {scanned:,} bytes, the limit is {MOST_BYTES:,}, and was stopped")
            raise _failed(f"the query was stopped after {self.clock.now() - until + LIMIT_S:.0f} s")


def _failed(problem: str) -> AwsError:
    return AwsError(Fault(code="busy", problem=f"{START}: {problem}", fix="name fewer log groups, or try again later"))
