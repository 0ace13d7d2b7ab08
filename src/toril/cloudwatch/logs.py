"""CloudWatch Logs Insights: the log lines of a time, and counts of texts by minute, bounded in scanned bytes.

Times are seconds since the epoch. Each scanned byte costs money, so the size of the logs is read before, from the free
metric `IncomingBytes`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from toril.aws.client import Clients, call
from toril.aws.errors import AwsError, fault
from toril.clock import Clock
from toril.cloudwatch.calls import Span, ask
from toril.records import MetricQuery

START, RESULTS, STOP = "logs:StartQuery", "logs:GetQueryResults", "logs:StopQuery"
USD_PER_GB = 0.005  # us-east-1, 2026-11
MOST_BYTES = 1 << 30  # of all queries about a run
MOST_LINES = 10_000
POLL_S, LIMIT_S, MINUTE_S = 1.0, 60.0, 60


@dataclass(frozen=True, slots=True)
class LogAnswer:
    """The rows of a query, by field, and the bytes that it scanned."""

    rows: tuple[Mapping[str, str], ...]
    scanned_bytes: int


@dataclass(frozen=True, slots=True)
class Logs:
    """Log groups (names or ARNs) of one region. `check` is called while a query runs; False ends it."""

    groups: tuple[str, ...]
    region: str
    clients: Clients
    clock: Clock
    check: Callable[[], bool] = lambda: True

    def size(self, from_at: float, to_at: float) -> int:
        """Returns the bytes that came in between both times. AwsError."""
        names = [group.split(":")[6] if group.startswith("arn:") else group for group in self.groups]
        wanted = [
            MetricQuery(
                namespace="AWS/Logs", metric="IncomingBytes", statistic="Sum", dimensions={"LogGroupName": name},
                region=self.region or None,
            )
            for name in names
        ]  # fmt: skip
        begin, end = int(from_at // MINUTE_S) * MINUTE_S, (int(to_at // MINUTE_S) + 1) * MINUTE_S
        span = Span(begin, end, end - MINUTE_S, MINUTE_S)
        answers = ask(wanted, span, lambda region: self.clients("cloudwatch", region or "")).values()
        for answer in answers:
            if answer.fault is not None:
                raise AwsError(answer.fault)
        return round(sum(sum(answer.points.values()) for answer in answers))

    def lines(self, from_at: float, to_at: float) -> LogAnswer:
        """Returns the first lines between both times, as the field `@message`. AwsError."""
        return self._query(f"fields @message | sort @timestamp asc | limit {MOST_LINES}", from_at, to_at)

    def counts(self, texts: Sequence[str], from_at: float, to_at: float) -> tuple[dict[int, list[int]], int]:
        """Returns how many lines have each text, by the start of their minute, and the scanned bytes. AwsError.

        Texts have neither quotation marks nor backslashes.
        """
        fields = ", ".join(f'strcontains(@message, "{text}") as f{place}' for place, text in enumerate(texts))
        sums = ", ".join(f"sum(f{place}) as n{place}" for place in range(len(texts)))
        answer = self._query(f"fields {fields} | stats {sums} by bin({MINUTE_S}s)", from_at, to_at)
        minutes = {}
        for row in answer.rows:
            minute = next(value for name, value in row.items() if name.startswith("bin("))
            at = int(datetime.fromisoformat(minute).replace(tzinfo=UTC).timestamp())
            minutes[at] = [round(float(row.get(f"n{place}") or 0)) for place in range(len(texts))]
        return minutes, answer.scanned_bytes

    def _query(self, words: str, from_at: float, to_at: float) -> LogAnswer:
        client, until = self.clients("logs", self.region), self.clock.now() + LIMIT_S
        asked = {"logGroupIdentifiers": list(self.groups), "startTime": int(from_at), "endTime": int(to_at) - 1}
        query = call(client.start_query, START, **asked, queryString=words)["queryId"]  # both ends count
        while True:
            answer: Mapping[str, Any] = call(client.get_query_results, RESULTS, queryId=query)
            scanned, status = int(answer.get("statistics", {}).get("bytesScanned", 0)), answer.get("status")
            if status == "Complete":
                rows = tuple({one["field"]: one.get("value", "") for one in row} for row in answer.get("results", ()))
                return LogAnswer(rows, scanned)
            going = self.check() and self.clock.now() < until and scanned <= MOST_BYTES
            if status not in ("Scheduled", "Running") or not going:
                if status in ("Scheduled", "Running"):
                    call(client.stop_query, STOP, queryId=query)
                why = f"the query was {str(status).lower()} after {scanned:,} bytes"
                raise AwsError(fault("busy", START, message=why, aws_code=str(status)))
            self.clock.sleep(POLL_S)
