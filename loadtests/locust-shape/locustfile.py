"""A rush hour of a few seconds."""

from locust import FastHttpUser, LoadTestShape, constant, task

STAGES = [(2, 2), (4, 6), (6, 2)]  # end of the stage in seconds, number of users


class Customer(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def look(self) -> None:
        self.client.get("/products", name="products")


class RushHour(LoadTestShape):
    def tick(self) -> tuple[int, float] | None:
        """Returns the number of users and the change per second, or None to end the load."""
        elapsed_s = self.get_run_time()
        return next(((users, 10.0) for until_s, users in STAGES if elapsed_s < until_s), None)
