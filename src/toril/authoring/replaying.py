"""`--replay`: sends the requests of a recording once, which is a second observation of the same journey."""

from collections.abc import Mapping

from toril.authoring.correlation import Correlation
from toril.authoring.recorded import Recorded


def replayed(recorded: Recorded, correlation: Correlation, environment: Mapping[str, str]) -> Recorded:
    """Returns the recording as the hosts of its requests answer now, with the applied rules."""
    raise NotImplementedError
