"""The records between agents, which run workers at private locations, and the coordinators of runs.

Agents and their offers are files of the pseudo-run `agents`, so that an agent needs no rights outside `runs/`.
"""

import re
from typing import Annotated, ClassVar

from pydantic import Field

from toril.records.document import Count, Record, RecordPart, Seconds, Text, Version, Word
from toril.records.run import ExitCode, run_key, worker_key

PSEUDO_RUN = "agents"
PSEUDO_RUNS = (PSEUDO_RUN, "packages")  # no run may have these ids
# The right to write `runs/*/workers/office-*` covers no other location and no region. So names have no hyphen, and at
# least three letters: the first part of a region's name has two, except `eusc`.
PRIVATE_LOCATION = re.compile(r"[A-Za-z0-9_]{3,32}")
AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
ANNOUNCED_EVERY_S = 10.0
LIVE_S = 30.0  # by the store's clock, since the last announcement
MOST_OFFERS = 1_000  # of a location
ENGINES = ("apiritif", "jmeter", "locust", "playwright", "selenium", "toril", "vegeta")  # that agents look for
UNPLACED = "local"  # the location of a suite without locations, which no agent serves
RESERVED = (UNPLACED, "eusc")
ANNOUNCEMENTS = run_key(PSEUDO_RUN, "workers/")  # the start of the keys of all announcements

LocationName = Annotated[str, Field(pattern=f"^{PRIVATE_LOCATION.pattern}$")]
Host = Annotated[Text, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
AgentName = Annotated[str, Field(pattern=f"^{AGENT.pattern}$")]


class RunningShare(RecordPart):
    """One worker that an agent runs."""

    run_id: Text
    worker: Text
    attempt: Text


class Announcement(Record):
    """A live agent: rewritten every 10 s, and when something changes."""

    SCHEMA: ClassVar[str] = "toril.agent/1"
    MOST_BYTES: ClassVar[int | None] = 1 << 18
    location: LocationName
    agent: AgentName
    instance: Word  # of the process; a restarted agent has another one
    at: Seconds  # by the agent's clock, so that each announcement differs from the one before
    slots: Count
    free: Count
    toril_version: Version = ""
    executors: Annotated[tuple[Word, ...], Field(max_length=100)] = ()  # of `ENGINES`, the installed ones
    targets: Annotated[tuple[Host, ...], Field(max_length=200)] = ()  # that it may load; empty: any
    max_duration_s: Seconds | None = None  # the longest load that it accepts
    platform: Annotated[str, Field(pattern=r"^(cp3\d\d?-\w+-\w+)?$")] = ""  # of wheels; see toril.suite.packages
    running: Annotated[tuple[RunningShare, ...], Field(max_length=1_000)] = ()
    leaving: bool = False  # takes no more offers


class Offer(RunningShare):
    """A share of a run that an agent may take, or has taken. Its worker runs as long as the offer stands."""

    expires_at: Seconds  # seconds since the epoch


class Offers(Record):
    """The offers of all runs for one location. Coordinators swap it; it is the whole state, so it has no number."""

    SCHEMA: ClassVar[str] = "toril.offers/1"
    MOST_BYTES: ClassVar[int | None] = 1 << 20
    offers: Annotated[tuple[Offer, ...], Field(max_length=MOST_OFFERS)] = ()


class Claim(Record):
    """The agent that has a share. The first one that writes this record has it."""

    SCHEMA: ClassVar[str] = "toril.claim/1"
    MOST_BYTES: ClassVar[int | None] = 1 << 14
    agent: AgentName
    instance: Word


class Ended(Record):
    """The end of a worker's process; its agent writes it, once."""

    SCHEMA: ClassVar[str] = "toril.ended/1"
    MOST_BYTES: ClassVar[int | None] = 1 << 16
    agent: AgentName
    instance: Word
    at: Seconds
    reason: Text
    exit_code: ExitCode | None = None  # None: it never started
    again: bool = False  # another attempt may succeed


def is_private(location: str) -> bool:
    """Returns whether agents serve the location. The names of AWS regions have hyphens."""
    return location not in RESERVED and PRIVATE_LOCATION.fullmatch(location) is not None


def announcement_key(location: str, agent: str) -> str:
    """Returns `runs/agents/workers/<location>-<agent>/announcement.json`."""
    return run_key(PSEUDO_RUN, "workers", f"{location}-{agent}", "announcement.json")


def offers_key(location: str) -> str:
    """Returns `runs/agents/offers/<location>.json`."""
    return run_key(PSEUDO_RUN, "offers", f"{location}.json")


def claim_key(run_id: str, worker: str, attempt: str) -> str:
    """Returns the key of the claim of one attempt."""
    return worker_key(run_id, worker, attempt, "claim.json")


def ended_key(run_id: str, worker: str, attempt: str) -> str:
    """Returns the key of the end of one attempt's process."""
    return worker_key(run_id, worker, attempt, "ended.json")
