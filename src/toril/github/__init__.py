"""Pull requests on GitHub and GitLab: selects the suites that a change must pass, and comments on their runs."""

from toril.github.client import Client, api_url
from toril.github.comments import Posted, comments, is_at, marker, post, pulls_of, reports_of
