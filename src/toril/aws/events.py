"""Puts a run's events on the default event bus of the coordinator's region, where rules of the account find them."""

import json
import time
from dataclasses import dataclass
from typing import Any

from toril.aws.client import Clients, ClientSettings, call, clients
from toril.errors import UserError
from toril.records.event import PENDING, Delivery, Event, Trying, untold

SOURCE = "toril"
RIGHT = "events:PutEvents"
SETTINGS = ClientSettings(read_timeout_s=5, attempts=4)


# EventBridge inserts values into the templates of mails without escaping them, and drops a mail that is not JSON then.
UNESCAPED = {**dict.fromkeys(range(32), " "), ord('"'): "'", ord("\\"): "/"}


def unquoted(value: Any) -> Any:
    """Returns plain data whose texts are the same within JSON: without quotes, backslashes and control characters.

    >>> unquoted({"headline": 'p95 of "GET /cart" > 300 ms'})
    {'headline': "p95 of 'GET /cart' > 300 ms"}
    """
    if isinstance(value, dict):
        return {key: unquoted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [unquoted(item) for item in value]
    return value.translate(UNESCAPED) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class EventSender:
    """The receiver of all events of a coordinator that runs on AWS."""

    region: str
    make: Clients
    name: str = "EventBridge"

    @classmethod
    def of(cls, region: str) -> "EventSender":
        return cls(region, clients(SETTINGS))

    def wants(self, event: Event) -> bool:
        return True

    def send(self, event: Event, trying: Trying = untold) -> Delivery:
        """Puts an event; returns whether EventBridge took it."""
        entry = {"Source": SOURCE, "DetailType": event.kind, "Detail": json.dumps(unquoted(event.to_send()))}
        trying(Delivery(to=self.name, status=PENDING, attempts=1, at=time.time()))
        try:
            answer = call(self.make("events", self.region).put_events, RIGHT, Entries=[entry])
            why = next((str(entry["ErrorCode"]) for entry in answer["Entries"] if "ErrorCode" in entry), "")
        except UserError as error:
            why = str(error)[:300]
        status = "refused" if why else "delivered"
        return Delivery(to=self.name, status=status, attempts=1, at=time.time(), message=why)
