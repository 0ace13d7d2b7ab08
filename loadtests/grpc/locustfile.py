"""Visitors who ask for prices by gRPC, and watch some of them."""

import random

from google.protobuf.wrappers_pb2 import DoubleValue, Int32Value
from locust import between, task

from toril.clients.grpc import GrpcUser

CODING = {"request_serializer": Int32Value.SerializeToString, "response_deserializer": DoubleValue.FromString}


class Visitor(GrpcUser):
    wait_time = between(0.1, 0.3)

    def on_start(self) -> None:
        # With generated stubs: self.prices = PricesStub(self.channel), then self.call(self.prices.Get, …)
        self.get = self.channel.unary_unary("/shop.Prices/Get", **CODING)
        self.watch = self.channel.unary_stream("/shop.Prices/Watch", **CODING)

    @task(4)
    def look(self) -> None:
        price = self.call(self.get, Int32Value(value=random.randint(1, 1000)), "price")
        assert price.value > 5

    @task(1)
    def follow(self) -> None:
        for price in self.stream(self.watch, Int32Value(value=7), "prices", messages=5):
            assert price.value > 5
