"""The simulations of a script, its root folder, and the share that a worker gives to them."""

from pathlib import Path

from toril.engines.gatling.executor import root_of, share_of, simulations_in
from toril.records.plan import Segment


def test_the_simulations_of_a_script_are_found_with_their_package():
    source = "package a.b\n// class Not extends Simulation\nclass One extends Simulation {\n"
    source += "final class Two extends Simulation with X"
    assert simulations_in(source) == ["a.b.One", "a.b.Two"]
    assert simulations_in("package shop;\npublic class Buy extends Simulation {") == ["shop.Buy"]
    assert simulations_in("class Helper { }") == []


def test_sources_are_searched_in_the_folder_of_the_root_package():
    assert root_of(Path("/suite/sims/shop/cart/Buy.java"), "package shop.cart;") == Path("/suite/sims")
    assert root_of(Path("/suite/Buy.scala"), "package shop\n") == Path("/suite")
    assert root_of(Path("/suite/Buy.scala"), "class Buy") == Path("/suite")


def test_a_simulation_gets_its_place_among_the_workers_and_its_share():
    segment = Segment(own="1/4:1/2", whole="0,1/4,1/2,1")
    assert share_of(segment) == {
        "toril.worker.index": 1,
        "toril.worker.count": 3,
        "toril.share": 0.25,
        "toril.places": "1-2/4",
    }
    assert share_of(None) == share_of(Segment(own="0:1", whole="0,1")) == {}
