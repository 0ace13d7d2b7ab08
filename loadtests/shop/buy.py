"""A customer who opens a product's page, puts the product into the cart and usually buys it."""

import random

from locust import FastHttpUser, between, task


class Customer(FastHttpUser):
    wait_time = between(0.1, 0.3)

    @task
    def buy(self) -> None:
        product = random.randint(1, 1000)
        self.client.get(f"/product/{product}", name="product")
        with self.client.post("/cart", name="cart", json={"product": product, "quantity": 1}) as response:
            cart = response.json()["cart"] if response.status_code == 201 else None
        if cart is not None and random.random() < 0.8:
            self.client.post("/checkout", name="checkout", json={"cart": cart})
