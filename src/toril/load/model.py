"""The models of load: who decides when a request or a journey begins.

- `requests`: independent requests begin by a schedule.
- `users`: virtual users send their next request after the response to the last one (a closed model).
- `arrivals`: journeys begin by a schedule; each is a new user's one pass through the scenario.
"""

from typing import Literal

Model = Literal["requests", "users", "arrivals"]

BY_SCHEDULE: tuple[Model, ...] = ("requests", "arrivals")  # open models: what begins waits for no response
JOURNEY_START = "journey start"  # the timing of each started journey; its time is the lateness of the start


def unit_of(model: Model) -> str:
    """Returns the unit of the rate of an execution."""
    return "journeys/s" if model == "arrivals" else "/s"


def begun(model: Model) -> str:
    """Returns what a schedule of this model begins, in the plural."""
    return "journeys" if model == "arrivals" else "requests"
