"""Files of requests as the suite has them, for JMeter and Apiritif.

bzt refuses a POST whose body is a file, and sends only the file of a form by PUT.
"""

from typing import Any

from bzt.requests_model import HierarchicHTTPRequest

BZTS_OWN = HierarchicHTTPRequest.__init__


def install() -> None:
    """Replaces bzt's reader of requests, which bzt's parser calls by its name."""
    HierarchicHTTPRequest.__init__ = _read


def _read(self: Any, config: Any, scenario: Any, engine: Any) -> None:
    """Reads a request by bzt's own code, whose rules for files hold for POST and PUT alone."""
    method = str(config.get("method", "GET"))
    config["method"] = "PATCH" if config.get("upload-files") else method
    BZTS_OWN(self, config, scenario, engine)
    config["method"] = method
    self.method = method if "${" in method else method.upper()
