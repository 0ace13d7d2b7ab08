"""AWS's own host names, as unmodified clients use them."""

import urllib.error
import urllib.request

import pytest

from tests.cloud.proxy import aws_proxy


def test_the_proxy_rejects_every_other_host(cloud):
    with aws_proxy(cloud) as proxy:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"https": proxy.url}))
        for host in ("example.com", "amazonaws.com.example.com"):
            with pytest.raises(urllib.error.URLError, match="403"):
                opener.open(f"https://{host}/", timeout=10)
        assert proxy.refused == ["example.com", "amazonaws.com.example.com"]
        assert proxy.hosts == []
