"""Hostile strings in every place of a page, in a real browser."""

from dataclasses import replace

import pytest

from tests.measured import START, left, plan_of
from tests.reports import examples
from toril.records import MetricSeries, ServerMetrics
from toril.reports import compared, render
from toril.reports.bundle import Bundle
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode

ATTACKS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</title></style></script><img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "\"><img src=x onerror='alert(1)'>",
    "' onmouseover='alert(1)' x='",
    "<iframe srcdoc='<script>parent.alert(1)</script>'>",
    "<!--<script>",
    "]]><![CDATA[<b>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<base href=https://example.invalid/>",
    "<meta http-equiv=refresh content='0;url=https://example.invalid/'>",
    "<style>*{display:none}</style>",
    "<form action=https://example.invalid><input type=submit>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u202egnp.exe\u202c\u2066\u200b",
    "a\x00b\x1b[2Jc\x07",
    "half \ud83d of a pair",
    "\u2028alert(1)\u2029",
    "__proto__",
    "constructor",
    "x" * 10_000 + "<img src=x onerror=alert(1)>",
)
USE_EVERYTHING = """() => {
  for (const fold of document.querySelectorAll('summary')) fold.click();
  for (const heading of document.querySelectorAll('thead button')) heading.click();
  const chooser = document.getElementById('label-chosen');
  chooser.selectedIndex = 2;
  chooser.dispatchEvent(new Event('change'));
  const end = new KeyboardEvent('keydown', { key: 'End' });
  for (const plot of document.querySelectorAll('.plot')) plot.dispatchEvent(end);
}"""
FOREIGN = "img, iframe, base, object, embed, form, [onload], [onerror], [onmouseover], meta[http-equiv=refresh]"


def everywhere(attack: str, number: int) -> Bundle:
    """Returns a run with the attack in every untrusted string."""
    whole = attack.encode("utf-8", "backslashreplace").decode()  # the form in JSON files
    place = whole[:900]  # longer names of workers and locations are invalid
    planned = plan_of("p95>1ms", locations=(f"{place}-1", f"{place}-2"))
    planned = planned.model_copy(
        update={
            "suite": whole,
            "run_id": whole,
            "toril_version": whole,
            "tags": {whole: whole},
            "warnings": (whole,),
        }
    )
    timeline = Timeline()
    for share in planned.shares:
        recorder = Recorder(share.worker, share.location)
        for second in range(3):
            for label, ok in ((attack, True), (f"{attack} 2", False)):
                recorder.add_one(
                    "shop",
                    completed_s=second,
                    label=label,
                    response_us=20_000 + number,
                    ok=ok,
                    rc=attack,
                    message=attack,
                )
            recorder.virtual_users(second, "shop", 5)
            recorder.health(second, 0.5, 0.5, 1 << 20, 0.0)
        data = recorder.flush()
        assert data is not None
        timeline.add(decode(data, share.worker))
    workers = tuple(share.worker for share in planned.shares)
    known = Completeness(
        planned=workers, reported=workers[:1], lost=((workers[1], attack),), exits={workers[0]: left(workers[0])},
        started_at=START,
    )  # fmt: skip
    summary = summarise(planned, timeline, known, START)
    rule = examples.criterion(
        f"p95 of {attack}>1ms", "failed", label=attack, message=attack, subject="p95", op=">",
        scope={"executions": [attack], "location": attack}, where=attack, own_message=attack,
        window={"logic": "for", "timeframe_s": 1, "from_s": 0, "to_s": 1}, at_s=1,
    )  # fmt: skip
    odd = replace_all(rule, attack)
    verdict = examples.verdict("failed", reasons=[{"code": attack, "message": attack}], criteria=[rule, odd])
    query = MetricSeries(namespace=whole, metric=whole, statistic=whole, dimensions={whole: whole}, unit=whole,
                         points=((0.0, 1.0),))  # fmt: skip
    silent = query.model_copy(update={"points": (), "error": whole})
    return Bundle(planned, summary, verdict, timeline, ServerMetrics(queries=(query, silent)))


def replace_all(rule: dict, attack: str) -> dict:
    """Returns the criterion with values that only a damaged file has."""
    return rule | {"outcome": attack, "unit": "", "subject": attack, "label": "", "window": None, "at_s": None}


@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=[pytest.mark.nightly] if n % 12 else []) for n in range(len(ATTACKS))]
)
def test_hostile_texts_are_only_text(opened, tmp_path, number):
    attack = ATTACKS[number]
    run = everywhere(attack, number)
    base = replace(everywhere(attack, number + 1), metrics=None)
    path = tmp_path / "page.html"
    path.write_bytes(compared("html", base, run))

    one = opened(path)
    one.evaluate(USE_EVERYTHING)

    assert one.dialogs == []
    assert one.complaints == []
    assert one.requests == [one.page.url.partition("#")[0]]
    assert one.page.locator(FOREIGN).count() == 0
    assert one.page.locator("script").count() == 3
    assert one.page.locator("style").count() == 1
    assert one.page.locator("meta").count() == 4
    assert one.evaluate("() => document.querySelectorAll('figure').length") >= 8
    hidden = "\u202e\u202c\u2066\u200b\x00\x1b\x07\u2028\u2029\ufffd"
    text = one.evaluate("() => document.body.innerText")
    assert not set(hidden) & set(text)


def test_names_of_javascript_properties_are_valid_labels(opened, tmp_path):
    path = tmp_path / "page.html"
    path.write_bytes(render("html", everywhere("__proto__", 0)))

    one = opened(path)

    assert one.page.locator("#label-chosen option").all_inner_texts() == ["all", "__proto__", "__proto__ 2"]
