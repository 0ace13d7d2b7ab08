"""The README.md of an imported suite: what was done, what was not, and which variables to set."""

from toril.authoring.correlation import Correlation
from toril.authoring.credentials import Credentials
from toril.authoring.draft import SuiteDraft
from toril.authoring.recorded import Recorded


def readme_of(draft: SuiteDraft, recorded: Recorded, correlation: Correlation, credentials: Credentials) -> str:
    """Returns the text in Markdown."""
    raise NotImplementedError
