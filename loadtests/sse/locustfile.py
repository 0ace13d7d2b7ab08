"""Visitors who watch prices by server-sent events."""

import random

from locust import between, task

from toril.clients.events import EventStreamUser


class Visitor(EventStreamUser):
    wait_time = between(0.1, 0.3)

    @task
    def follow(self) -> None:
        for event in self.stream(f"/events?product={random.randint(1, 1000)}", "prices", messages=5):
            assert event.kind == "price" and float(event.data) > 5
