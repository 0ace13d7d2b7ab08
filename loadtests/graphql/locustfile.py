"""Visitors who ask for prices by GraphQL."""

import random

from locust import FastHttpUser, between, task

from toril.clients import graphql

PRICE = "query Price($product: Int!) { price(product: $product) }"


class Visitor(FastHttpUser):
    wait_time = between(0.1, 0.3)

    @task
    def look(self) -> None:
        found = graphql(self.client, PRICE, {"product": random.randint(1, 1000)})
        assert found["price"] > 5
