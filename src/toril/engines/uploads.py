"""Forms and files of requests as the suite has them, for JMeter and Apiritif.

bzt refuses a POST whose body is a file, sends only the file of a form by PUT, and knows no multipart without files.
"""

from typing import Any

from bzt.requests_model import HierarchicHTTPRequest

from toril.suite.steps import MULTIPART, encode_body

BZTS_OWN = HierarchicHTTPRequest.__init__


def install() -> None:
    """Replaces bzt's reader of requests, which bzt's parser calls by its name."""
    HierarchicHTTPRequest.__init__ = _read


def _read(self: Any, config: Any, scenario: Any, engine: Any) -> None:
    """Reads a request by bzt's own code, whose rules for files hold for POST and PUT alone."""
    method, body, headers = str(config.get("method", "GET")), config.get("body"), config.get("headers")
    if isinstance(body, dict) and headers and not config.get("upload-files") and MULTIPART in headers.values():
        config["body"] = encode_body(body, headers)
    config["method"] = "PATCH" if config.get("upload-files") else method
    BZTS_OWN(self, config, scenario, engine)
    config["method"] = method
    self.method = method if "${" in method else method.upper()
