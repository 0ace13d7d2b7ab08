"""Schedules of suites. The expressions of EventBridge Scheduler are checked here, before AWS checks them."""

from typing import Annotated

from pydantic import AfterValidator, Field

from infra.settings.common import Setting
from toril.records.schedule import check_expression, check_zone

SuiteName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class Schedule(Setting):
    """A scheduled suite, in the home region only."""

    name: SuiteName = Field(description="Name of the schedule; not `sweep-…`.")
    suite: SuiteName = Field(description="Suite that `toril suite push` stored.")
    cron: Annotated[str, AfterValidator(check_expression)] = Field(
        max_length=256, description="`cron(17 2 * * ? *)`, `rate(12 hours)` or `at(2027-01-31T02:00:00)`."
    )
    timezone: Annotated[str, AfterValidator(check_zone)] = Field(
        default="UTC", max_length=50, description="IANA name, such as `Europe/Madrid`."
    )
    enabled: bool = Field(default=True, description="`false` keeps the schedule without running it.")
