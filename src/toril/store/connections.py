"""Connections to web servers, through the proxy that the environment names; which addresses are safe for secrets."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from toril.errors import OptionError

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def is_safe_address(address: str) -> bool:
    """Whether no other party can read what is sent to an address: it is https, or http on this machine.

    >>> [is_safe_address(f"http://localhost{rest}") for rest in ("", ":1/a", "@b.example", ":1@b.example/", ".example")]
    [True, True, False, False, False]
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or any(char <= " " or char == "\\" for char in address):  # other programs read them in other ways
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in THIS_MACHINE and "@" not in parts.netloc)


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
