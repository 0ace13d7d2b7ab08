"""Issues about confirmed regressions: opens one per group of changes, keeps it up to date, and closes it."""

from collections.abc import Sequence

from toril.github.client import Client
from toril.github.comments import Posted
from toril.records.trend import Trend
from toril.reports.markdown import Links


def settle(client: Client, repository: str, trends: Sequence[Trend], links: Links) -> list[Posted]:
    """Opens, updates and closes the issues of these trends in `repository` (`OWNER/REPO`); returns what was done.

    It changes only issues that the same author opened with the marker of a suite and run.
    """
    raise NotImplementedError
