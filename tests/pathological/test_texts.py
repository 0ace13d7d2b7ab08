"""Hostile labels, messages and response codes, from the recorder to each report."""

import csv
import io
import json
import random
import xml.etree.ElementTree as ElementTree  # reads only files of this test

import pytest

from tests.pathological.brute import MS, Raw, check_figures, check_summary, flushed, interval_files, judged
from toril.reports import FORMATS, render
from toril.timeline import Timeline
from toril.timeline.intervals import OTHER, Recorder, decode, label_of

HOSTILE = [
    *("\ud800 half", "low \udfff", "nul\0inside", "\x01\x1b[31mred\x1b[0m", "bidi \u202egnirts\u202c", " ", "\u200b"),
    *("line\nbreak\r\nand\ttab", "\u2028\u2029\x85", "\ufeff\ufffe\uffff", "e\u0301 é", "👩\u200d👩\u200d👧 🐂", "NaN"),
    *("</script><img src=x onerror=alert(1)>", "]]>&amp;<!--", "=cmd|' /C calc'!A0", '"quoted", and; more'),
    *("| pipe | `tick` | [link](http://x)", "%s {0} ${X} {{y}}", "../../etc", "a" * 999 + "🐂" * 30),
]


def totals(files):
    timeline = Timeline()
    for number, data in enumerate(files):
        timeline.add(decode(data, str(number)))
    return timeline


# ── labels


def test_long_labels_with_the_same_beginning_stay_different(tmp_path):
    stem = "/search?q=" + "x" * 10_000
    samples = [Raw(n / 10, (n + 1) * MS, label=f"{stem}{n % 3}") for n in range(90)]
    wanted = [("hits", 1, "30"), ("hits", 2, "29"), ("p50", 0, "60ms")]
    rules = [{"subject": what, "label": f"{stem}{n}", "condition": ">", "threshold": more} for what, n, more in wanted]
    bundle = judged(tmp_path, samples, *rules)
    labels = {label: figures.to_dict() for label, figures in bundle.summary.labels.items() if label}
    assert len(labels) == 3
    assert all(len(label) == 1000 and label.startswith(stem[:900]) for label in labels)
    for n in range(3):
        mine = [one for one in samples if one.label.endswith(str(n))]
        check_figures(labels[label_of(f"{stem}{n}")], mine)
    assert [entry.outcome for entry in bundle.verdict.criteria] == ["passed", "failed", "passed"]


def test_a_label_of_a_thousand_characters_is_kept_unchanged():
    for label in ("x" * 1000, "🐂" * 1000, HOSTILE[-1][:1000]):
        assert label_of(label) == label
        assert totals(flushed(recorded(label))).labels() == (label,)


def recorded(*labels, rcs=("200",), messages=("",)):
    recorder = Recorder("local-1", "local")
    for label in labels:
        for rc in rcs:
            for message in messages:
                recorder.add_one(
                    "shop", completed_s=0.5, label=label, response_us=5, ok=not message, rc=rc, message=message
                )
    return recorder


def test_long_labels_add_little_to_a_file():
    """A hundred labels of 10 kB that differ in a number at the end are compressed to a few bytes each."""
    short = flushed(recorded(*(f"/search?{n}" for n in range(100))))
    long = flushed(recorded(*(f"/search?q={'x' * 10_000}{n}" for n in range(100))))
    assert sum(map(len, long)) < sum(map(len, short)) + 40 * 100


# ── messages


def test_response_bodies_as_messages_are_counted_exactly_in_bounded_memory():
    chance, recorder, counts = random.Random(1), Recorder("local-1", "local"), 0
    timeline, letters = Timeline(), "abcdefghij"
    for second in range(3):
        for n in range(400):
            body = "".join(chance.choices(letters, k=100)) * 1000 + str(second) + str(n)
            recorder.add_one(
                "shop", completed_s=second + 0.5, label="it", response_us=9, ok=False, rc="500", message=body
            )
            counts += 1
        for data in flushed(recorder):
            assert len(data) < 100_000
            timeline.add(decode(data, "file"))
    errors = timeline.select().total.errors
    assert errors.total() == counts == 1200
    assert errors[OTHER, "500"] == counts - 100
    assert all(len(message) <= 1000 for message, _ in errors)
    assert sum(len(text) for text in recorder._tables["message"]) < 101 * 1001  # the texts in memory


def test_response_bodies_with_the_same_beginning_are_one_error():
    bodies = [f"<html>{'x' * 2000}{n}" for n in range(50)]
    errors = totals(flushed(recorded("it", rcs=["500"], messages=bodies))).select().total.errors
    assert list(errors.values()) == [50]


def test_response_codes_beyond_the_thousandth_are_counted_together():
    rc = totals(flushed(recorded("it", rcs=[f"E{n}" for n in range(1500)]))).select().total.rc
    assert rc.total() == 1500
    assert (len(rc), rc[OTHER]) == (1001, 500)


# ── all texts through the whole pipeline


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    samples = [
        Raw(n % 7, (n + 1) * MS, label=text, ok=n % 2 == 0, rc=text[:50], message=text, worker=f"local-{n % 2 + 1}")
        for n, text in enumerate(HOSTILE * 3)
    ]
    rule = {"subject": "p95", "label": HOSTILE[2], "condition": ">", "threshold": "1ms", "fail": True}
    folder = tmp_path_factory.mktemp("run")
    return samples, judged(folder, samples, rule, "fail>1%"), folder


def test_hostile_texts_are_summarised_unchanged(hostile):
    samples, bundle, _ = hostile
    cut = [
        one if len(one.label) <= 1000 else Raw(one.completed_s, one.us, label_of(one.label), one.worker, one.ok, one.rc)
        for one in samples
    ]
    check_summary(bundle.summary.to_dict(), cut)
    (rule, _) = bundle.verdict.criteria
    assert rule.samples == sum(one.label == HOSTILE[2] for one in samples) == 3


def test_hostile_texts_are_read_back_from_stored_summary_and_verdict(hostile):
    _, bundle, folder = hostile
    for name, content in (("summary.json", bundle.summary.to_dict()), ("verdict.json", bundle.verdict.to_dict())):
        (path,) = folder.glob(f"runs/*/{name}")
        assert json.loads(path.read_bytes()) == json.loads(json.dumps(content))


@pytest.mark.parametrize("name", list(FORMATS))
def test_each_report_accepts_hostile_texts(hostile, name):
    if name.startswith("parquet"):
        pytest.importorskip("pyarrow")
    samples, bundle, _ = hostile
    data = render(name, bundle)
    if name.startswith("parquet"):
        return
    text = data.decode()  # whole UTF-8
    if name in ("terminal", "github"):
        assert "\x1b[31m" not in text
        assert "\0" not in text
        assert "\u202e" not in text
    if name in ("html", "github"):
        assert "<img src=x" not in text
    if name == "json":
        assert json.loads(text)["summary"]["labels"][""]["samples"] == len(samples)
    if name == "junit":
        ElementTree.fromstring(text)  # noqa: S314 - our own
    if name == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert sum(int(row["samples"]) for row in rows) == len(samples)


def test_an_interval_file_of_hostile_texts_is_read_back_exactly():
    samples = [Raw(label=text, ok=False, rc=text[:40], message=text) for text in HOSTILE[:-1]]
    timeline = totals(interval_files(samples)["local-1"])
    assert set(timeline.labels()) == set(HOSTILE[:-1])
    assert set(timeline.select().total.errors) == {(text, text[:40]) for text in HOSTILE[:-1]}
