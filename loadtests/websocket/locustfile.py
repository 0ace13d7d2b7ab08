"""Visitors who ask for prices over a WebSocket, and watch some of them."""

import random

from locust import between, task

from toril.clients.websocket import WebSocketUser


class Visitor(WebSocketUser):
    wait_time = between(0.1, 0.3)

    @task(4)
    def look(self) -> None:
        if self.socket is None:
            self.connect("/prices")
        price = self.ask(f"price {random.randint(1, 1000)}", "price")
        assert float(price) > 5

    @task(1)
    def follow(self) -> None:
        self.connect("/prices")
        self.send("watch 7")
        for price in self.receive("prices", messages=5):
            assert float(price) > 5
        self.close()
