"""A worker's `bzt.log`: its own log and the tails of the engines' logs, without secrets."""

from toril.engines.keeping import EMPTY
from toril.secrets.redaction import Redactor
from toril.worker.hiding import Hiding
from toril.worker.logs import collected

KEY = "VALUE0001key"


def test_the_log_has_no_credentials_no_values_of_requests_and_no_secrets(tmp_path):
    redacted = Redactor(["of two\nlines"])
    hiding = Hiding(redacted)
    hiding.exchange({**EMPTY, "request_headers": [["X-Api-Key", KEY]]}, 0, why="failure")
    (tmp_path / "bzt.log").write_text("INFO Authorization: Bearer HDRbear333\nINFO of two\nlines\n")
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    (artifacts / "locust.err").write_text(f"RuntimeError: {{'Cookie': 'COKsess222'}}\n1 invalid key {KEY}\nlast\n")
    assert collected(tmp_path / "bzt.log", artifacts, redacted.redacted, hiding).decode() == (
        "INFO Authorization: ***\nINFO ***\n─── locust.err\nRuntimeError: {'Cookie': '***'}\n1 invalid key ***\nlast\n"
    )
