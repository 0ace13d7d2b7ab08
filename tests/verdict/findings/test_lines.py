"""Log lines that are rare outside a trouble, and the parts of traces that took the time."""

import pytest

from toril.records.evidence import Exchange
from toril.verdict.findings.lines import frequent_texts, rare_line, slow_part, texts_of

JSON = '{"timestamp":"2026-11-02T14:55:08.%03dZ","level":"%s","logger":"com.example.orders.Repository","msg":"%s"}'
STACK = (
    "java.lang.IllegalStateException: pool exhausted\n\tat com.example.Pool.take(Pool.java:17)\n\tat com.example.Web"
)


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ("2026-11-02T14:55:08Z ERROR pool exhausted after 3000 ms, id=4f1c", ["ERROR pool exhausted after"]),
        ('{"level":"warn","msg":"connection refused by peer","id":"a1-b2"}', ["connection refused by peer"]),
        ("GET /orders/17 200", []),
        (STACK, [
            "java.lang.IllegalStateException: pool exhausted", "at com.example.Pool.take(Pool.java:",
            "at com.example.Web",
        ]),
    ],
)  # fmt: skip
def test_a_text_has_no_numbers_ids_or_quotes(line, texts):
    assert texts_of(line) == texts


def test_texts_that_grew_come_first():
    lines = ["request served in 4 ms"] * 50 + ["pool exhausted after 3 s"] * 20 + ["seldom seen here"] * 2
    assert frequent_texts(lines, ["request served in 5 ms"] * 50) == ["pool exhausted after", "request served in"]


def test_the_message_of_a_line_counts_although_its_logger_has_the_longest_name():
    served = [JSON % (number, "INFO", "order stored") for number in range(100)]
    lines = [*served, *(JSON % (number, "ERROR", "no free slot") for number in range(30)), *[STACK] * 20]
    assert frequent_texts(lines, served)[:2] == ["no free slot", "java.lang.IllegalStateException: pool exhausted"]


def test_a_text_with_a_secret_is_left_out():
    assert frequent_texts(["Authorization: Bearer abcdefghijklmnopqrstuvwxyz"] * 9, []) == []


def test_a_line_is_rare_if_no_minute_outside_the_trouble_has_a_fifth_of_it():
    minutes = {0: [50, 0], 60: [50, 2], 120: [48, 20], 180: [50, 400]}
    texts = ["request served in", "pool exhausted after"]
    assert rare_line(texts, minutes, 120, (125.0, 240.0)) == ("pool exhausted after", 20, 2)
    assert rare_line(texts, minutes, 120, (0.0, 240.0)) is None
    assert rare_line(texts, minutes, 300, (300.0, 360.0)) is None


def exchange(trace_id, response_ms, arm=0):
    return Exchange(
        why="slowest", trace_id=trace_id, response_us=response_ms * 1000, notes=(f"arm {arm}",) if arm else ()
    )


def test_the_part_with_most_of_the_time_in_most_traces_is_named():
    found = slow_part(
        [exchange("a", 900), exchange("b", 1000), exchange("c", 800), exchange("d", 700)],
        {"a": {"shop": 1e5, "orders": 8e5}, "b": {"shop": 1e5, "orders": 9e5}, "c": {"shop": 7e5, "orders": 1e5}},
    )
    assert found is not None
    assert (found.name, found.traces, found.of, found.median_us, found.trace_id) == ("orders", 2, 3, 8e5, "b")
    assert slow_part([exchange("a", 900)], {}) is None


def test_a_part_is_slower_in_head_if_all_its_traces_are():
    base = {f"b{n}": {"shop": 1e5, "orders": 1e5 + n} for n in range(3)}
    head = {f"h{n}": {"shop": 1e5, "orders": 9e5 + n} for n in range(3)}
    exchanges = [*(exchange(one, 300, 1) for one in base), *(exchange(one, 1100, 2) for one in head)]
    found = slow_part(exchanges, {**base, **head})
    assert found is not None
    assert (found.name, found.median_us, found.base_us, found.of, found.base_of) == ("orders", 900_001, 100_001, 3, 3)
    head["h0"]["orders"] = 1e5
    assert slow_part(exchanges, {**base, **head}) is None
