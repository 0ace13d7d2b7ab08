"""Results of other tools, row by row: what each format contains, and what it lacks."""

import pytest

from tests.refusals import refused
from toril.engines.external.formats import UnknownFormatError, reader_of

AT_MS = 1_764_100_000_123
JTL = "timeStamp,elapsed,label,responseCode,responseMessage,success,bytes,allThreads,Latency,Connect\n"


def read(tmp_path, text):
    path = tmp_path / "results"
    path.write_text(text)
    reader = reader_of(path)
    assert reader is not None
    return [record for part in reader.read(True) for record in part], reader


def test_a_jtl_has_start_times_in_milliseconds_and_the_facts_of_each_request(tmp_path):
    (one, two), reader = read(
        tmp_path,
        JTL + f'{AT_MS},250,"home, sweet",200,OK,true,512,3,40,12\n'
        f"{AT_MS + 1},7,cart,Non HTTP response code: java.net.ConnectException,refused,false,0,4,0,0\n",
    )
    assert (one.started_s, one.response_us, one.label, one.ok, one.rc) == (
        AT_MS / 1000,
        250_000,
        "home, sweet",
        True,
        "200",
    )
    assert (one.ttfb_us, one.connect_us, one.bytes) == (40_000, 12_000, 512)
    assert (two.ok, two.rc, two.message) == (False, "ConnectException", "refused")
    assert (reader.resolution_us, reader.users, reader.unreadable) == (1000, 4, 0)


def test_a_jtl_of_locust_has_completion_times(tmp_path):
    ((one,), _) = read(
        tmp_path, "timeStamp,label,method,elapsed,responseCode,success\n" + f"{AT_MS},home,GET,250,200,true\n"
    )
    assert one.started_s == (AT_MS - 250) / 1000


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_jtl_may_have_another_delimiter(tmp_path, delimiter):
    row = f"{AT_MS},250,home,200,OK,true,512,3,40,12\n"
    ((one,), _) = read(tmp_path, (JTL + row).replace(",", delimiter))
    assert (one.label, one.bytes) == ("home", 512)


def test_jmeters_transactions_are_not_requests(tmp_path):
    text = "timeStamp,elapsed,label,responseCode,responseMessage,success,dataType\n"
    text += f'{AT_MS},250,buy,200,"Number of samples in transaction : 2, number of failing samples : 0",true,\n'
    ((one,), _) = read(tmp_path, text)
    assert one.kind == "transaction"


def test_rows_that_are_not_samples_are_counted_and_skipped(tmp_path):
    good = f"{AT_MS},250,home,200,OK,true,512,3,40,12\n"
    bad = ["soon,250,home,200,OK,true,512,3,40,12\n", "1,2,3\n", f"{AT_MS},250,home,200,OK,perhaps,512,3,40,12\n"]
    found, reader = read(tmp_path, JTL + good + "".join(bad) + good)
    assert (len(found), reader.unreadable) == (2, 3)


def test_xml_has_the_outermost_samples_and_the_messages_of_assertions(tmp_path):
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<testResults version="1.2">
<httpSample t="250" it="0" lt="40" ct="12" ts="{AT_MS}" s="true" lb="home" rc="200" rm="OK" by="512" ng="1" na="3">
  <httpSample t="200" ts="{AT_MS}" s="true" lb="inner" rc="200" rm="OK"/>
</httpSample>
<httpSample t="7" lt="0" ts="{AT_MS}" s="false" lb="cart" rc="200" rm="OK" by="1">
  <assertionResult><name>a</name><failure>true</failure><failureMessage>no lamp</failureMessage></assertionResult>
</httpSample>
<httpSample t="soon" ts="{AT_MS}" s="true" lb="odd" rc="200" rm="OK" by="1"/>
<httpSample t="9" ts="{AT_MS}" s="true" lb="last" rc="200" rm="OK" by="1"/>
"""
    found, reader = read(tmp_path, text)  # a killed JMeter leaves elements open
    assert [(one.label, one.ok, one.message) for one in found] == [
        ("home", True, ""), ("cart", False, "no lamp"), ("last", True, ""),
    ]  # fmt: skip
    assert (found[0].response_us, found[0].ttfb_us, reader.users, reader.unreadable) == (250_000, 40_000, 3, 1)


def test_xml_with_an_entity_reads_no_other_file(tmp_path):
    (tmp_path / "secret").write_text("hunter2")
    text = f"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>
<testResults><sample t="1" ts="{AT_MS}" s="false" lb="a" rc="1" rm="x">
<assertionResult><failure>true</failure><failureMessage>&e;</failureMessage></assertionResult></sample>
"""
    found, _ = read(tmp_path, text)
    assert "hunter2" not in str(found)


def test_torils_csv_has_microseconds(tmp_path):
    text = f'{AT_MS}456789,200,1500499,0,17,"",Ym9keQ==,attack,1,GET,http://shop/,aGVhZA==\n'
    text += f'{AT_MS}456789,0,2000000,0,0,"dial tcp: refused, twice",,,2,GET,http://shop/,\n'
    (one, two), reader = read(tmp_path, text)
    assert (one.response_us, one.label, one.rc, one.bytes, one.ok) == (1500, "attack", "200", 17, True)
    assert round(one.started_s * 1e6) == AT_MS * 1000 + 457
    assert (two.label, two.ok, two.rc, two.message) == ("GET http://shop/", False, "error", "dial tcp: refused, twice")
    assert reader.resolution_us == 1


def test_torils_json_is_read(tmp_path):
    text = '{"attack":"","seq":0,"code":503,"timestamp":"2026-11-25T20:00:00.123456789Z","latency":1500499,'
    text += '"bytes_out":0,"bytes_in":17,"error":"503 Service Unavailable","body":null,"method":"GET","url":"/"}\n{}\n'
    ((one,), reader) = read(tmp_path, text + '{"attack":1}\n')
    assert (one.response_us, one.rc, one.ok, one.message) == (1500, "503", False, "503 Service Unavailable")
    assert reader.unreadable == 2


def test_gatlings_log_is_read_if_it_is_text(tmp_path):
    text = f"RUN\tshop.Buying\tbuying\t{AT_MS}\t \t3.9.5\nREQUEST\t\thome\t{AT_MS}\t{AT_MS + 12}\tOK\t \n"
    ((one,), reader) = read(tmp_path, text)
    assert (one.label, one.response_us, reader.resolution_us) == ("home", 12_000, 1000)


def test_phout_has_microseconds(tmp_path):
    text = "1764100000.582\tcart#7\t1510\t934\t52\t384\t140\t1249\t37\t478\t0\t404\n"
    text += "1764100000.583\t\t1510\t934\t52\t384\t140\t1249\t37\t478\t110\t0\n"
    (one, two), _ = read(tmp_path, text)
    assert (one.started_s, one.label, one.response_us, one.ttfb_us) == (1764100000.582, "cart", 1510, 1370)
    assert (one.rc, one.ok, one.connect_us, one.bytes) == ("404", False, 934, 478)
    assert (two.label, two.rc, two.ok) == ("(no tag)", "errno 110", False)


@pytest.mark.parametrize("line", ["starttime\tseconds\tctime\twait", "Type,Name,Request Count", "hello"])
def test_a_file_without_single_requests_or_of_another_format_is_refused(tmp_path, line):
    with refused("unknown-format", line, error=UnknownFormatError):
        read(tmp_path, line + "\n")


def test_a_file_has_no_format_before_its_first_line_is_complete(tmp_path):
    path = tmp_path / "results"
    path.write_text("timeStamp,elap")
    assert reader_of(path) is None


def test_a_growing_file_is_read_in_whole_records_once(tmp_path):
    row = f"{AT_MS},250,home,200,OK,true,512,3,40,12\n"
    path = tmp_path / "results"
    path.write_text(JTL + row + row[:20])
    reader = reader_of(path)
    assert reader is not None
    counts = [sum(len(part) for part in reader.read(False))]
    with path.open("a") as file:
        file.write(row[20:] + row)
    counts.append(sum(len(part) for part in reader.read(True)))
    assert (counts, reader.unreadable) == ([1, 2], 0)


def test_a_byte_order_mark_of_a_jtl_is_skipped(tmp_path):
    ((one,), reader) = read(tmp_path, "\ufeff" + JTL + f"{AT_MS},250,home,200,OK,true,512,3,40,12\n")
    assert (one.started_s, reader.unreadable) == (AT_MS / 1000, 0)


def test_a_jtl_without_a_required_column_is_refused(tmp_path):
    with refused("missing-column", "success", error=UnknownFormatError):
        read(tmp_path, JTL.replace("success", "sucess") + f"{AT_MS},250,home,200,OK,true,512,3,40,12\n")


@pytest.mark.parametrize(
    "bad",
    [
        f"{AT_MS},-5,home,200,OK,true,512,3,40,12",
        f"{AT_MS},{10**24},home,200,OK,true,512,3,40,12",
        f"{AT_MS * 1000},5,home,200,OK,true,512,3,40,12",
        f"{10**400},5,home,200,OK,true,512,3,40,12",
        f"{AT_MS},5,home,200,OK,true,{10**30},3,40,12",
    ],
)
def test_an_impossible_row_of_a_jtl_is_unreadable(tmp_path, bad):
    records, reader = read(tmp_path, JTL + f"{AT_MS},250,home,200,OK,true,512,3,40,12\n{bad}\n")
    assert (len(records), reader.unreadable) == (1, 1)


PHOUT = "1764100000.123\t{tag}\t250000\t1000\t10\t200000\t48990\t240000\t10\t20\t0\t200\n"
VEGETA = f'{AT_MS}000000,200,250000000,0,5,,"",home,0,GET,http://shop/,""\n'
ATTACK = '{"attack":"home","code":200,"timestamp":"2025-11-25T19:46:40Z","latency":%s,"bytes_in":5,"error":""}\n'


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (PHOUT.format(tag="a"), PHOUT.format(tag="a").replace("1764100000.123", "nan")),
        (PHOUT.format(tag="a"), PHOUT.format(tag="a").replace("1764100000.123", "1e300")),
        (VEGETA, VEGETA.replace("home", "ho\rme")),
        (ATTACK % "250", ATTACK % "1e400"),
        (ATTACK % "250", "[" * 100_000 + "\n"),
    ],
)
def test_an_impossible_line_is_unreadable(tmp_path, good, bad):
    records, reader = read(tmp_path, good + bad + good)
    assert (len(records), reader.unreadable) == (2, 1)


@pytest.mark.parametrize("cut", [3, 20, 60])
def test_half_a_sample_at_the_end_of_xml_is_unreadable(tmp_path, cut):
    sample = (
        f'<httpSample t="250" ts="{AT_MS}" s="true" lb="a" rc="200"><java.net.URL>http://s/</java.net.URL></httpSample>'
    )
    whole, reader = read(tmp_path, f"<testResults>\n{sample}\n{sample}\n")
    assert (len(whole), reader.unreadable) == (2, 0)
    rest, reader = read(tmp_path, f"<testResults>\n{sample}\n{sample[:-cut]}")
    assert (len(rest), reader.unreadable) == (1, 1)


@pytest.mark.parametrize(("code", "ok"), [(200, True), (302, True), (404, False), (500, False)])
def test_an_error_status_of_vegeta_is_a_failure_even_without_an_error_text(tmp_path, code, ok):
    csv = f'{AT_MS}456789,{code},1500499,0,17,"",,attack,1,GET,http://shop/,\n'
    ((one,), _) = read(tmp_path, csv)
    assert (one.ok, one.rc, bool(one.message)) == (ok, str(code), not ok)


def test_a_time_in_seconds_is_an_unreadable_record(tmp_path):
    rows = "".join(f"{AT_MS // 1000 + at},5,home,200,OK,true,9,2,3,1\n" for at in range(3))
    found, reader = read(tmp_path, JTL + rows)
    assert (len(found), reader.unreadable) == (0, 3)
