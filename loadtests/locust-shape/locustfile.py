"""A rush hour of a few seconds."""

from locust import FastHttpUser, LoadTestShape, constant, task

STAGES = [(2, 2), (4, 6), (6, 2)]  # (until this second, this number of users)


class Customer(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def look(self) -> None:
        self.client.get("/products", name="products")


class RushHour(LoadTestShape):
    def tick(self) -> tuple[int, float] | None:
        """How many users there should be now, and how many may come or go in a second; None ends it."""
        elapsed_s = self.get_run_time()
        return next(((users, 10.0) for until_s, users in STAGES if elapsed_s < until_s), None)
