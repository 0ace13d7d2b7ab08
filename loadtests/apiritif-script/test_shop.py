"""Checks of the shop from a customer's point of view."""

import os
import unittest

from apiritif import http, transaction

SHOP = http.target(os.environ.get("SHOP_URL", "http://127.0.0.1:8080"))
SHOP.keep_alive(True)
SHOP.auto_assert_ok(False)


class TestShop(unittest.TestCase):
    def test_lamps_are_found_and_shown(self) -> None:
        with transaction("find a lamp"):
            found = SHOP.get("/search?q=lamp").assert_ok().json()
            assert all(product["name"].startswith("lamp") for product in found)
            SHOP.get(f"/product/{found[0]['id']}").assert_ok().assert_in_body("lamp")
