"""`tools/prices.py` completes the price table from AWS' public price list."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tools.prices import SOURCE, main
from toril.launchers.pricing import list_prices
from toril.launchers.pricing.table import FILE, PriceTable

REGION = "ap-southeast-7"


def product(usage, usd, region=REGION):
    sku = f"{region}-{usage}"
    dimension = {"unit": "hours", "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": f"{usd:.10f}"}}
    attributes = {"servicecode": "AmazonECS", "regionCode": region, "usagetype": usage}
    terms = {f"{sku}.JRTCKXETXF": {"sku": sku, "priceDimensions": {f"{sku}.JRTCKXETXF.6YS6EN2CT7": dimension}}}
    return sku, {"sku": sku, "productFamily": "Compute", "attributes": attributes}, terms


PRODUCTS = [
    product("USE1-Fargate-vCPU-Hours:perCPU", 0.05, "us-east-1"),
    product("USE1-Fargate-GB-Hours", 0.006, "us-east-1"),
    product("APS9-Fargate-vCPU-Hours:perCPU", 0.0501),
    product("APS9-Fargate-GB-Hours", 0.0055),
    product("APS9-Fargate-ARM-vCPU-Hours:perCPU", 0.04),
    product("APS9-Fargate-ARM-GB-Hours", 0.0044),
    product("APS9-Fargate-EphemeralStorage-GB-Hours", 0.00013),
    product("APS9-Fargate-Windows-vCPU-Hours:perCPU", 9),
    product("APS9-SpotUsage-Fargate-vCPU-Hours:perCPU", 9),
    product("APS9-ECS-EC2-vCPU-Hours", 9),
    product("USE1-BOS1-Fargate-vCPU-Hours:perCPU", 9, "us-east-1-bos-1"),
]


def offer(products):
    return {
        "offerCode": "AmazonECS",
        "publicationDate": "2027-02-03T04:05:06Z",
        "products": {sku: one for sku, one, _ in products},
        "terms": {"OnDemand": {sku: terms for sku, _, terms in products}},
    }


@contextmanager
def serving(answer, status=200):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.json"
        server.shutdown()


@pytest.fixture
def file(tmp_path):
    copy = tmp_path / "prices.json"
    copy.write_bytes(FILE.read_bytes())
    return copy


def test_listed_regions_get_their_prices_with_the_lists_date_and_others_stay(file):
    with serving(offer(PRODUCTS)) as address:
        main(address, file)
    found = PriceTable.from_json(file.read_bytes(), "")
    there = found.of(REGION)
    assert (there.vcpu_hour, there.gib_hour) == ({"x86-64": 0.0501, "arm64": 0.04}, {"x86-64": 0.0055, "arm64": 0.0044})
    assert (there.storage_gib_hour, there.as_of, there.source) == (0.00013, "2027-02-03", SOURCE)
    base = found.of("us-east-1")
    assert (base.vcpu_hour["x86-64"], base.egress_gb) == (0.05, list_prices().of("us-east-1").egress_gb)
    assert found.of("eu-north-1") == list_prices().of("eu-north-1")
    assert found.regions.keys() == {*list_prices().regions, REGION}


def test_a_second_time_changes_nothing(file):
    with serving(offer(PRODUCTS)) as address:
        main(address, file)
        first = file.read_bytes()
        main(address, file)
    assert file.read_bytes() == first


@pytest.mark.parametrize(
    ("answer", "status"), [(offer(PRODUCTS[2:]), 200), ({"products": {}}, 200), ([], 200), ({}, 503)]
)
def test_a_list_without_prices_is_an_error_and_changes_nothing(file, answer, status):
    with serving(answer, status) as address, pytest.raises(SystemExit, match="unchanged"):
        main(address, file)
    assert file.read_bytes() == FILE.read_bytes()


def test_an_unreachable_list_is_an_error(file):
    with serving({}) as address:
        pass
    with pytest.raises(SystemExit, match="unchanged"):
        main(address, file)
