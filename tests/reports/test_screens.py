import io
from dataclasses import replace

import pytest
from rich.console import Console

from tests.reports import examples
from tests.reports.parsed import printed
from toril.records import PlannedCriterion
from toril.records.progress import CriterionNow, FiguresNow, LocationNow, MetricNow, Progress, ProgressNote, WorkersNow
from toril.reports import live, plan_text, runs_table

FIGURES = Progress(
    run_id="r1",
    at=0,
    phase="running",
    elapsed_s=12.4,
    planned_s=30,
    planned_users=12,
    figures=FiguresNow(
        virtual_users=10, rps=98.44, p50_us=18_400, p95_us=51_200, p99_us=88_700, samples=1200, failures=3
    ),
    lag_s=1.4,
    workers=WorkersNow(planned=2, ready=2),
    locations=tuple(
        LocationNow(location=name, figures=FiguresNow(virtual_users=5, rps=49.2, p95_us=50_000, samples=600))
        for name in ("madrid", "sevilla")
    ),
)


class Clock:
    """A clock that only tests advance."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_the_plan_shows_load_division_and_criteria():
    text = printed(plan_text, examples.plan(warnings=("`services` is left to bzt",)))

    for part in (
        "shop: 2 workers in 2 locations, 30 s of load",
        "madrid-1",
        "sevilla-1",
        "5 users",
        "p95 of checkout>250ms",
        "suite.yml: reporting[0].criteria[0]",
        "steady load only",
        "note: `services` is left to bzt",
    ):
        assert part in text


def test_the_plan_shows_criteria_of_both_languages_in_one_line_each():
    server = {"subject": "ecs-cpu", "cluster": "c", "service": "s", "statistic": "Average", "condition": ">"}
    criteria = (
        PlannedCriterion(source="p95>1s for 5s", where="a"),
        PlannedCriterion(source="fail>1%", where="b", executions=("buy",)),
        PlannedCriterion(source="p95>1s for 5s, continue as non-failed", where="c"),
        PlannedCriterion(source="throughput<450/s", where="d", language="toril"),
        PlannedCriterion(source={**server, "threshold": "80%"}, where="e", language="toril"),
    )

    lines = printed(plan_text, examples.plan(criteria=criteria)).splitlines()[-5:]

    assert [line.strip() for line in lines] == [
        "p95>1s for 5s, ends the run immediately  (a)",
        "fail>1% in execution buy  (b)",
        "p95>1s for 5s, continue as non-failed  (c)",
        "throughput<450/s  (d)",
        "ecs-cpu Average of c, s>80%  (e)",
    ]


def test_a_narrow_terminal_hides_no_column_of_the_plan():
    shop = examples.plan().executions[0]
    wide = shop.model_copy(update={"delay_s": 90.0, "ramp_up_s": 90.0, "steps": 3, "throughput_rps": 6000.0})
    plan = examples.plan(executions=(wide.model_copy(update={"concurrency": 3000, "iterations": 777}),))
    file = io.StringIO()

    plan_text.show(Console(file=file, width=80), plan)

    assert "777" in file.getvalue()


def test_a_plan_without_criteria_has_a_warning():
    assert "no criteria" in printed(plan_text, examples.plan(criteria=()))


def test_runs_are_listed_with_their_known_figures():
    text = printed(
        runs_table,
        [
            examples.listed("r2", "running"),
            examples.listed("r1", "passed", p95_us=51_200, p95_low_us=49_000, p95_high_us=53_300, tags={"pr": "7"}),
        ],
    )

    assert "· running" in text
    assert "✔ passed" in text
    assert "51.2 ms" in text
    assert "pr=7" in text
    assert "49.0 … 53.3" in text


@pytest.mark.parametrize("width", [60, 100, 140])
def test_a_duet_is_marked_in_the_list_of_runs(width):
    rows = [examples.listed(f"r-{kind[0]}", "passed", kind=kind) for kind in ("run", "duet")]
    file = io.StringIO()
    runs_table.show(Console(file=file, width=width), rows)
    assert file.getvalue().count("duet") == 1


def test_an_empty_store_shows_the_command_for_a_run():
    assert "toril run SUITE" in printed(runs_table, [])


def shown(console_is_terminal: bool, *steps: tuple[float, Progress], quiet: bool = False) -> str:
    """Returns the output of a live view with figures at these times."""
    file, clock = io.StringIO(), Clock()
    console = Console(file=file, width=80, force_terminal=console_is_terminal)
    with live.view(console, quiet=quiet, clock=clock) as view:
        for at, figures in steps:
            clock.time = at
            view.show(figures)
    return file.getvalue()


def test_progress_without_a_terminal_is_a_line_every_five_seconds():
    text = shown(False, *((at / 2, FIGURES) for at in range(25)))

    assert text.splitlines() == 3 * [
        "running 12/30 s, 10/12 VUs, 98.4 req/s, p50 18.4 ms, p95 51.2 ms, p99 88.7 ms, 1,200 requests, 3 failed"
    ]


def test_the_live_view_shows_criteria_and_the_loaded_arm():
    criteria = (
        CriterionNow(outcome="failed", message="p95 was 51.2 ms, above 50 ms"),
        CriterionNow(outcome="passed", message="failures were 0 %, at most 1 %"),
    )
    figures = replace(FIGURES, turn="pair 3 of 10: head", criteria=criteria)
    assert all(part in shown(True, (0, figures)) for part in ("pair 3 of 10: head", "p95 was 51.2 ms", "failures were"))
    line = shown(False, (0, figures))
    assert "pair 3 of 10: head" in line
    assert "1 of 2 criteria breached" in line


def test_the_live_view_shows_checks_and_own_metrics():
    metrics = (MetricNow(name="all checks", kind="check", now="98 %"), MetricNow(name="cart", kind="trend", now="3.1"))
    figures = replace(FIGURES, metrics=metrics)
    assert "all checks 98 % · cart 3.1" in shown(True, (0, figures))
    assert "98 % of checks held" in shown(False, (0, figures))


def test_a_github_job_prints_lines_even_with_a_terminal(monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert len(shown(True, *((at / 2, FIGURES) for at in range(25))).splitlines()) == 3


def test_a_new_phase_is_printed_immediately():
    text = shown(False, (0, Progress(run_id="r", at=0, workers=WorkersNow(planned=2, ready=1))), (1, FIGURES))

    assert text.splitlines()[0] == "starting: 1 of 2 workers ready"
    assert len(text.splitlines()) == 2


def test_a_note_is_printed_once():
    noted = replace(FIGURES, notes=(ProgressNote(code="lost-worker", message="worker a-1 lost"),))

    assert shown(False, (0, noted), (1, noted), (6, noted)).count("! worker a-1 lost") == 1


def test_the_waiting_phase_names_its_cause():
    waiting = Progress(run_id="r", at=0, phase="waiting", waiting="CloudWatch: 1 of 3 metrics are there")

    assert shown(False, (0, waiting)) == "waiting for CloudWatch: 1 of 3 metrics are there\n"
    assert "for CloudWatch: 1 of 3 metrics are there" in shown(True, (0, waiting))


def test_the_live_table_has_a_row_per_location_and_a_total():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(live.table(FIGURES))
    text = console.export_text()

    for part in ("running", "12 s of 30 s", "madrid", "sevilla", "all", "10 of 12", "98.4", "51.2 ms", "newest sample"):
        assert part in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_live_table_restores_the_terminal():
    text = shown(True, (0, FIGURES), (1, FIGURES))

    assert "\x1b[?25h" in text  # shows the cursor again


def test_quiet_prints_nothing():
    assert shown(False, (0, FIGURES), quiet=True) == shown(True, (0, FIGURES), quiet=True) == ""
