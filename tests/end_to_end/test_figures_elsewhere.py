"""A real run exports its figures, announces its result, and keeps secrets to itself."""

from tests.end_to_end.running import run, suite_file
from tests.notify.collector import attributes, collecting
from tests.notify.receiver import hook
from tests.targets import target
from toril.records.event import Event


def test_a_run_is_exported_and_announced_without_a_secret(tmp_path):
    with target() as service, collecting() as collector, hook() as server:
        request = f"{service.url}/status/503?token=pl4nted"
        suite = suite_file(tmp_path / "shop", service.url, scenarios={"home": {"requests": [request]}})
        notify = ("--env", f"CHAT={server.url}", "--notify", "CHAT=started,failed", "--otlp", collector.url)
        done = run(tmp_path / "store", suite, *notify)
        counts = {attributes(one)["toril.outcome"]: one.as_int for one in collector.newest()["toril.requests"]}
        events, answered = collector.events(), service.answered
    assert done.code == 1, done.stderr
    total = done.json("summary.json")["labels"][""]
    assert counts == {"ok": 0, "failed": total["failures"]}
    assert total["failures"] == total["samples"] == answered
    assert {name for name, _ in events} == {"toril.run.started", "toril.run.finished", "toril.criterion.judged"}
    assert [(body["kind"], body["outcome"]) for body in server.bodies] == [
        ("run-started", ""),
        ("run-finished", "failed"),
    ]
    files = [path for path in done.store.rglob("*") if path.is_file()]
    kept = [Event.from_json(path.read_bytes(), str(path)) for path in files if "events" in path.parts]
    assert [[one.status for one in event.deliveries] for event in kept] == [["delivered"], ["delivered"]]
    assert not [path for path in files if b"s3cr3t" in path.read_bytes()]
    assert b"pl4nted" not in b"".join(collector.raw)
    assert "pl4nted" not in str(server.bodies)
