"""Names requests by their routes, such as `GET /items/{id}`."""

from toril.authoring.recorded import Recorded


def named(recorded: Recorded) -> Recorded:
    """Returns the recording with a route and a unique name for each request."""
    return recorded
