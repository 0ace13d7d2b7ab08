"""The file of accepted changes, and what is wrong with it."""

from datetime import date

import pytest

from toril.errors import OptionError
from toril.regression.acknowledged import Acknowledgement, read_acknowledged


def read(folder, text):
    path = folder / "toril-trend.yml"
    path.write_text(text)
    return read_acknowledged(path)


def test_acknowledgements_keep_their_order_and_keys(tmp_path):
    text = """
acknowledged:
- {suite: shop, commit: 4e5f6a7, label: checkout, metric: p95, reason: the tax service, until: 2026-12-31}
- {suite: blog, run: 20260101T000000Z-blog-0001, location: eu-west-1, reason: other, until: "2027-01-31"}
"""
    assert read(tmp_path, text) == (
        Acknowledgement(
            suite="shop",
            commit="4e5f6a7",
            label="checkout",
            metric="p95",
            reason="the tax service",
            until=date(2026, 12, 31),
        ),
        Acknowledgement(
            suite="blog",
            run="20260101T000000Z-blog-0001",
            location="eu-west-1",
            reason="other",
            until=date(2027, 1, 31),
        ),
    )


@pytest.mark.parametrize("text", ["", "acknowledged:", "acknowledged: []"])
def test_an_empty_file_acknowledges_nothing(tmp_path, text):
    assert read(tmp_path, text) == ()


def test_a_missing_file_acknowledges_nothing(tmp_path):
    assert read_acknowledged(tmp_path / "none.yml") == ()


GOOD = {"suite": "shop", "commit": "4e5f6a7", "reason": "known", "until": "2026-12-31"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"reason": None}, "reason"),
        ({"until": None}, "until"),
        ({"until": "soon"}, "until"),
        ({"suite": None}, "suite"),
        ({"commit": None}, "commit"),
        ({"run": "r1"}, "run"),
        ({"commit": "1234567"}, "commit"),  # a number in YAML
        ({"lable": "checkout"}, "lable"),
    ],
)
def test_a_wrong_entry_is_an_error_that_names_its_key(tmp_path, changes, named):
    entry = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(OptionError, match=named) as caught:
        read(tmp_path, "acknowledged:\n- {" + ", ".join(f"{key}: {value}" for key, value in entry.items()) + "}\n")
    assert caught.value.code == "bad-acknowledgement"


@pytest.mark.parametrize(
    "text", ["- {}", "known: []", "acknowledged: {}", "acknowledged: [1]", "a: b: c", "acknowledged: 7"]
)
def test_another_document_is_an_error(tmp_path, text):
    with pytest.raises(OptionError) as caught:
        read(tmp_path, text)
    assert caught.value.code == "bad-acknowledgement"


def test_a_folder_or_binary_file_is_an_error(tmp_path):
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "binary.yml"):
        with pytest.raises(OptionError) as caught:
            read_acknowledged(path)
        assert caught.value.code == "bad-acknowledgement"
