"""An order from the cart to the checkout, as an Apiritif script. Each of its tests is a test case."""

import os
import unittest

import apiritif


class TestOrder(unittest.TestCase):
    def setUp(self) -> None:
        self.shop = apiritif.http.target(os.environ["SHOP_URL"])
        self.shop.auto_assert_ok(False)  # some tests expect error codes

    def test_a_cart_can_be_paid(self) -> None:
        cart = self.shop.post("/cart", json={"product": 17, "quantity": 2})
        cart.assert_status_code(201)
        order = self.shop.post("/checkout", json={"cart": cart.json()["cart"]})
        order.assert_status_code(201)
        self.assertIn("order", order.json())

    def test_an_unknown_cart_cannot(self) -> None:
        self.shop.post("/checkout", json={"cart": 0}).assert_status_code(404)

    def test_nonsense_is_refused(self) -> None:
        self.shop.post("/cart", json={"quantity": "many"}).assert_status_code(400)
