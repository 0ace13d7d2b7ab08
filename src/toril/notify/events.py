"""The log of events in a store, `events/`. A listing of a month has the newest event first."""

from datetime import UTC, datetime
from itertools import chain, islice

from toril.records.event import EVENTS, Event
from toril.records.history import LAST_SECOND
from toril.store import Reader


def key_of(event: Event) -> str:
    """Returns an event's key."""
    month, second = f"{datetime.fromtimestamp(event.at, UTC):%Y-%m}", LAST_SECOND - int(event.at)
    return f"{EVENTS}{month}/{second:010d}-{event.id.replace(':', '-').replace('/', '_')}.json"


def kept(store: Reader, cursor: str = "", limit: int = 50) -> tuple[list[Event], str]:
    """Returns events, newest first, and where the next page begins; "" after the last one.

    `cursor`: from an earlier call. Newer events do not move later pages.
    """
    current = cursor.partition("/")[0]
    months = (month for month in sorted(store.names(EVENTS), reverse=True) if not current or month <= current)
    listed = (store.entries(f"{EVENTS}{month}/", EVENTS + cursor if month == current else "") for month in months)
    keys = [entry.key for entry in islice(chain.from_iterable(listed), limit + 1)]
    files = store.find_many(keys[:limit])
    events = [Event.from_json(files[key], key) for key in keys[:limit] if key in files]
    return events, keys[limit - 1].removeprefix(EVENTS) if len(keys) > limit else ""
