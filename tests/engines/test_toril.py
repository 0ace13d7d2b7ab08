"""The open-model engine's real program under real bzt against loopback services."""

import pytest

from tests.targets import target
from tests.worker.driver import outcome, workers
from tests.worker.schedules import scheduled
from toril.records import Rate, rate_key

pytestmark = pytest.mark.live


def shop(url, requests=("/",), **scenario):
    return {"default-address": url, "requests": list(requests), **scenario}


def test_requests_are_sent_in_turn_with_all_their_settings(tmp_path):
    requests = [
        {"url": "/", "label": "home", "headers": {"X-Own": "yes", "Accept": "text/css"}},
        {"url": "/status/404", "label": "missing"},
        {"url": "/status/201", "method": "POST", "body": {"a": 1}, "label": "create"},
        {"url": "/put", "method": "put", "body": "plain ünd text"},
        {"url": "/file", "method": "POST", "body-file": "body.bin"},
        {"url": "/redirect/2", "label": "moved"},
        {"url": "/redirect/2", "label": "not followed", "follow-redirects": False},
        {"url": "/head", "method": "HEAD", "label": "head"},
    ]
    with target() as service:
        plan = scheduled(shop(service.url, requests, headers={"Accept": "text/html", "X-All": "1"}), rate=80)
        found = outcome(plan, tmp_path, {"body.bin": "from a file"})
    each = 20
    assert found.exits[0].outcome == "finished"
    labels = ["home", "missing", "create", "/put", "/file", "moved", "not followed", "head"]
    assert {label: found.total(label).samples for label in found.timeline.labels() if label} == dict.fromkeys(
        labels, each
    )
    assert found.total().samples == found.samples == 8 * each == service.answered + each  # with redirects
    codes = {"home": "200", "missing": "404", "create": "201", "moved": "200", "not followed": "302", "head": "200"}
    assert {label: dict(found.rcs(label)) for label in codes} == {label: {rc: each} for label, rc in codes.items()}
    assert dict(found.total("missing").errors) == {("404 Not Found", "404"): each}
    assert found.total().failures == each
    assert service.bodies == {b"a=1": each, "plain ünd text".encode(): each, b"from a file": each}
    assert service.methods["HEAD"] == each
    assert {"X-Own: yes", "Accept: text/css", "Accept: text/html", "X-All: 1"} <= service.headers
    assert not any("vegeta" in line.lower() or line.startswith("Accept-Encoding") for line in service.headers)
    assert found.total("home").bytes == each * len(b"all is well\n")


def test_workers_divide_the_arrivals_of_one_schedule(tmp_path):
    with target() as service:
        points = [(0.0, 0.0), (1.0, 100.0), (2.0, 100.0), (2.0, 20.0), (3.0, 20.0)]
        plan = scheduled(shop(service.url), points=points, weights=[2, 1])
        found = outcome(plan, tmp_path)
    assert service.answered == found.samples == 170
    assert sorted(one.samples for one in found.exits) == [57, 113]
    by_second = [found.timeline.select().window(second, second).samples for second in range(3)]
    assert [abs(got - due) <= 2 for got, due in zip(by_second, (50, 100, 20), strict=True)] == [True] * 3
    assert found.exits[0].first_sample_lateness_s["shop"] < 1


def test_rows_of_data_are_used_in_turn_and_split_between_workers(tmp_path):
    requests = [{"url": "/${user}", "label": "user"}, {"url": "/b?${id}", "headers": {"X-User": "${user}"}}]
    files = {"users.csv": 'id,user\n1,ann\n2,"bob"\n3,cleo\n4,dan\n', "more.csv": "9;x\n"}
    with target() as service:
        sources = [
            "users.csv",
            {"path": "more.csv", "variable-names": "nine,letter", "delimiter": ";"},
        ]
        scenario = shop(service.url, [*requests, "/${nine}${letter}"], **{"data-sources": sources})
        plan = scheduled(scenario, rate=60, hold_for_s=1)
        outcome(plan, tmp_path / "whole", files)
        assert service.paths == {
            **dict.fromkeys(["/ann", "/bob", "/cleo", "/dan"], 5),
            **dict.fromkeys([f"/b?{number}" for number in (1, 2, 3, 4)], 5),
            "/9x": 20,
        }
        assert {"X-User: ann", "X-User: dan"} <= service.headers
        service.paths.clear()
        split = {"split-data": ["users.csv"]}
        plan = scheduled(scenario, rate=60, hold_for_s=1, weights=[1, 1], data_files=["users.csv"], vegeta=split)
        found = outcome(plan, tmp_path / "split", files)
        assert found.samples == 60
        assert set(service.paths) == {"/ann", "/bob", "/cleo", "/dan", "/b?1", "/b?2", "/b?3", "/b?4", "/9x"}


def test_a_variable_that_no_source_has_is_refused_before_any_load(tmp_path):
    with target() as service:
        with workers(scheduled(shop(service.url, ["/${user}"])), tmp_path) as run:
            run.launch()
            assert run.wait() == [4]
            assert "`${user}` has no value" in run.exit().message
        assert service.started == 0


def test_a_rate_change_takes_effect_on_time_and_each_worker_keeps_its_part(tmp_path):
    with target() as service:
        plan = scheduled(shop(service.url), rate=40, hold_for_s=4, weights=[1, 1])
        plan = plan.model_copy(
            update={"executions": tuple(one.model_copy(update={"adjustable": True}) for one in plan.executions)}
        )
        with workers(plan, tmp_path) as run:
            run.launch()
            run.wait_ready()
            run.start()
            at = run.start_at + 2
            rate = Rate(number=1, execution="shop", rps=100.0, at=at, asked_at=at - 2, cause="user")
            run.store.put_once(rate_key(plan.run_id, 1), rate.to_json())
            run.wait()
            found = run.outcome()
    assert found.samples == service.answered == 2 * 40 + 2 * 100
    assert [one.samples for one in found.exits] == [140, 140]
