"""A customer who logs in and opens the account. The password comes from the environment."""

import os

from locust import FastHttpUser, constant, task


class Customer(FastHttpUser):
    wait_time = constant(0.1)

    def on_start(self) -> None:
        answer = self.client.post("/login", json={"user": "anna", "password": os.environ["PASSWORD"]}, name="login")
        self.signed = {"Authorization": f"Bearer {answer.json().get('token')}"}

    @task
    def account(self) -> None:
        self.client.get("/account", headers=self.signed, name="account")
