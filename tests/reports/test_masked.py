"""No report shows credentials from suites or services, for any writer of the files."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from tests.reports import examples
from tests.reports.parsed import printed
from toril.records import PlannedCriterion, PlannedExecution
from toril.records.progress import Progress, ProgressNote
from toril.reports import EXPORTS, FORMATS, live, plan_text, render, runs_table
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode

PASSWORD, TOKEN = "hunter2", "t0ps3cret"
LABELS = [f"https://joe:{PASSWORD}@shop.example/", f"/cart?token={TOKEN}", f"/cart?token={TOKEN}2&page=1"]
MESSAGE = f"401 for Authorization: Bearer {TOKEN}"
CRITERION = PlannedCriterion(source=f"p95 of {LABELS[1]}>250ms", where=f"suite.yml: {LABELS[0]}")


def timeline():
    recorder, merged = Recorder("local-1", "local"), Timeline()
    for second, label in enumerate(LABELS):
        recorder.add_one("buy", completed_s=second, label=label, response_us=9, ok=False, rc="401", message=MESSAGE)
    while (data := recorder.flush()) is not None:
        assert PASSWORD.encode() not in data
        merged.add(decode(data, "file"))
    return merged


def bundle():
    run = examples.failed()
    plan = examples.plan(
        tags={"password": PASSWORD, "url": LABELS[0]}, warnings=(f"odd: {LABELS[0]}",), criteria=(CRITERION,)
    )
    figures = {label: examples.figures(errors=[{"message": MESSAGE, "rc": "401", "count": 2}]) for label in LABELS}
    rules = run.verdict.to_dict()["criteria"]
    run = examples.with_verdict(
        run,
        reasons=[{"code": "lost-worker", "message": f"lost: {MESSAGE}"}],
        criteria=[{**one, "criterion": f"p95 of {LABELS[1]}>1s", "message": MESSAGE} for one in rules],
    )
    labels = {"": run.summary.total.to_dict(), **figures}
    return replace(examples.with_summary(run, labels=labels, tags={"url": LABELS[0]}), plan=plan)


def clean(text):
    return PASSWORD not in text and TOKEN not in text


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in EXPORTS])
def test_no_report_shows_a_credential(name):
    assert clean(render(name, bundle()).decode())


@pytest.mark.parametrize("name", [name for name in EXPORTS if name != "parquet"])
def test_no_export_shows_a_credential(name):
    run, measured = bundle(), timeline()
    total = run.summary.total.to_dict() | {"samples": 3}
    plan = run.plan.model_copy(update={"ramp_up_exclude": False})
    run = replace(examples.with_summary(run, labels={"": total}), plan=plan, timeline=measured)
    exported = render(name, run).decode()
    assert clean(exported)
    assert name == "hgrm" or "***" in exported


def test_requests_that_differ_only_in_a_token_share_a_label():
    measured = timeline()
    assert measured.labels() == ("/cart?token=***", "/cart?token=***&page=1", "https://***@shop.example/")
    assert measured.select("/cart?token=***").total.samples == 1


@pytest.mark.parametrize("written", [LABELS[1], "/cart?token=***"])
def test_a_criterion_matches_a_label_masked_or_unmasked(written):
    assert timeline().select(written).total.samples == 1


def test_a_plan_shows_no_credential_but_names_its_secrets():
    config = {"headers": {"Authorization": f"Bearer {TOKEN}"}, "requests": [{"url": LABELS[0]}]}
    plan = examples.plan(
        common={"scenarios": {"buy": config}},
        criteria=(CRITERION,),
        warnings=(f"odd: {LABELS[0]}",),
        secrets={"TOKEN": "shop/token"},
        executions=(PlannedExecution(name="buy", index=0, executor="locust", scenario="buy"),),
    )
    shown = plan_text.as_json(plan).decode()
    assert clean(shown)
    assert "shop/token" in shown
    assert clean(printed(plan_text, plan))


def test_lists_of_runs_and_the_live_table_show_no_credential():
    assert clean(printed(runs_table, [examples.listed("r", "passed", tags={"u": LABELS[0]})]))
    output = StringIO()
    with live.view(Console(file=output, width=200)) as view:
        view.show(Progress(run_id="r", at=0, notes=(ProgressNote(code="busy", message=MESSAGE),)))
    assert "401" in output.getvalue()
    assert clean(output.getvalue())
