"""GitHub's REST API, as far as comments on pull requests need it.

client    requests, paging, patience, and what to do about each refusal
comments  one comment per suite, found by a marker that nobody sees
pulls     which pull requests a commit belongs to
"""

from toril.github.client import Client, api_url
from toril.github.comments import Posted, marker, post
from toril.github.pulls import is_at, pulls_of

__all__ = ["Client", "Posted", "api_url", "is_at", "marker", "post", "pulls_of"]
