"""The dashboard for Grafana shows metrics that toril exports, under the names that Prometheus gives them."""

import re
from pathlib import Path

from tests.measured import every_second, timeline_of
from toril.notify.otel.metrics import Measurements, criterion_metrics, generator_metrics, load_metrics
from toril.records import Verdict
from toril.records.progress import Progress, Recent
from toril.records.verdict import JudgedCriterion

DASHBOARD = Path(__file__).parent.parent.parent / "docs" / "dashboards" / "toril-grafana.json"
UNITS = {"s": "_seconds", "1": "_ratio", "{request}/s": "_per_second"}


def exported() -> dict[str, set[str]]:
    """Returns the labels of each metric by its name in Prometheus."""
    measured, timeline = Measurements(), timeline_of(every_second(range(3)), health=0.5)
    measured.add(timeline, 2)
    progress = Progress(run_id="r", at=0, recent=Recent(planned_users=(1,), planned_rps=(1,)))
    verdict = Verdict(outcome="passed", criteria=(JudgedCriterion(criterion="p99>1s", observed=1),))
    found = {}
    for metric in (
        *measured.metrics(0),
        *load_metrics(progress, 0),
        *generator_metrics(timeline, 0, 2, 0),
        *criterion_metrics(verdict, 0),
    ):
        total = "_total" if getattr(metric.data, "is_monotonic", False) else ""
        labels = {name for point in metric.data.data_points for name in point.attributes or ()}
        found[metric.name.replace(".", "_") + UNITS.get(metric.unit or "", "") + total] = labels
    return found


def test_the_dashboard_names_only_exported_metrics_and_labels():
    text, known = DASHBOARD.read_text(), exported()
    labels = {name.replace(".", "_") for found in known.values() for name in found}
    named = set(re.findall(r"\btoril_\w+", text))
    resource = {"toril_suite", "toril_run_id"}  # attributes of the run
    dynamic = {"toril_rc", "toril_location"}  # of failures, and of locations in progress
    assert named - labels - resource - dynamic <= known.keys()
    assert len(named & known.keys()) >= 7
