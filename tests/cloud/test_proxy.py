"""AWS's own host names, as unmodified clients use them."""

import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tests.cloud.proxy import aws_proxy

ASK = """
import boto3
boto3.client("ecr").describe_repositories()
boto3.client("sts").get_caller_identity()
s3 = boto3.client("s3")
s3.create_bucket(Bucket="toril-results")
s3.put_object(Bucket="toril-results", Key="a/b", Body=b"x" * 200_000)
print(len(s3.get_object(Bucket="toril-results", Key="a/b")["Body"].read()))
"""


def asked(proxy, **more):
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=proxy.environment(AWS_DEFAULT_REGION="us-east-1", **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "200000\n", done.stderr
    return set(proxy.hosts)


@pytest.mark.live
def test_clients_use_the_host_names_of_their_settings(cloud):
    with aws_proxy(cloud) as proxy:
        assert asked(proxy) == {
            "api.ecr.us-east-1.amazonaws.com",
            "sts.us-east-1.amazonaws.com",
            "toril-results.s3.amazonaws.com",  # the global name for us-east-1
        }
    cloud.reset()
    with aws_proxy(cloud) as proxy:
        assert asked(proxy, AWS_USE_FIPS_ENDPOINT="true") == {
            "api.ecr-fips.us-east-1.amazonaws.com",
            "sts-fips.us-east-1.amazonaws.com",
            "toril-results.s3-fips.us-east-1.amazonaws.com",
        }


def test_the_proxy_rejects_every_other_host(cloud):
    with aws_proxy(cloud) as proxy:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"https": proxy.url}))
        for host in ("example.com", "amazonaws.com.example.com"):
            with pytest.raises(urllib.error.URLError, match="403"):
                opener.open(f"https://{host}/", timeout=10)
        assert proxy.refused == ["example.com", "amazonaws.com.example.com"]
        assert proxy.hosts == []
