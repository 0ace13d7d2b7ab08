"""Thresholds outside the range of a chart."""

import pytest

from tests.measured import Sample
from tests.reports.runs import MS, run_of
from toril.reports import render

RECORD = """
window.written = [];
const own = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...rest) {
  window.written.push([text, y / this.canvas.height]);
  return own.call(this, text, x, y, ...rest);
};
"""


@pytest.mark.parametrize(("criterion", "shown"), [("p99>1ms", "p99>1ms ↓"), ("p99>90s", "p99>90s ↑")])
def test_a_threshold_beyond_the_chart_is_named_at_its_edge(opened, tmp_path, criterion, shown):
    samples = [Sample(step % 30, (40 + step % 3000) * MS, label="x") for step in range(3000)]
    path = tmp_path / "page.html"
    path.write_bytes(render("html", run_of(samples, criterion)))

    one = opened(path, reset=RECORD)

    places = [place for text, place in one.evaluate("() => window.written") if text == shown]
    assert places
    assert all(0 < place < 0.9 for place in places)  # above the names of the axis
