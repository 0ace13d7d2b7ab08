"""Customers who browse, and sometimes buy something."""

import os
import random

from locust import FastHttpUser, between, task

INDEX, COUNT = int(os.environ.get("TORIL_WORKER_INDEX", 0)), int(os.environ.get("TORIL_WORKER_COUNT", 1))
PRODUCTS = range(1 + INDEX, 1001, COUNT)  # each product belongs to one worker


class Customer(FastHttpUser):
    wait_time = between(0.05, 0.2)

    @task(3)
    def look(self) -> None:
        self.client.get(f"/product/{random.choice(PRODUCTS)}", name="product")

    @task(1)
    def buy(self) -> None:
        wanted = {"product": random.choice(PRODUCTS), "quantity": 1}
        with self.client.post("/cart", json=wanted, name="cart", catch_response=True) as answer:
            if answer.status_code != 201:
                answer.failure(f"no cart but {answer.status_code}")
                return
            cart = answer.json()["cart"]
        self.client.post("/checkout", json={"cart": cart}, name="checkout")
