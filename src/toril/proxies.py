"""Connections to web servers, through the proxy that the environment names."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from toril.errors import OptionError


def pool_for(url: str) -> urllib3.PoolManager:
    """Returns connections through the proxy for this address in the environment, or direct ones."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    try:
        if proxy and not proxy_bypass(parts.hostname or ""):
            return urllib3.ProxyManager(proxy)
    except (HTTPError, LocationValueError) as error:
        text = f"{parts.scheme}_proxy is `{proxy}`: not the address of a proxy: {error}"
        raise OptionError(text, code="bad-proxy") from error
    return urllib3.PoolManager()
