"""The variables of the console's function: what the hub's stack writes is what the function reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.console.lambda_settings import VARIABLES, LambdaSettings, Machine, environment_of, settings_of

ROLES = st.sampled_from(["viewer", "operator", "admin"])
WORDS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=20)
MACHINES = st.builds(Machine, repository_id=WORDS, environment=WORDS, ref=st.none() | WORDS, role=ROLES)
SETTINGS = st.builds(
    LambdaSettings,
    **dict.fromkeys(
        ("address", "store", "uploads", "issuer", "client_id", "groups_claim", "session_key_parameter"), WORDS
    ),
    **dict.fromkeys(("client_secret_parameter", "login_client_id", "audience"), st.just("") | WORDS),
    roles=st.dictionaries(WORDS, ROLES),
    machines=st.lists(MACHINES, max_size=3),
    max_cost=st.none() | st.floats(0.01, 1e6),
    origin_digest=WORDS,
)


@given(SETTINGS)
def test_the_function_reads_the_settings_that_the_stack_writes(settings):
    found = environment_of(settings)
    assert found.keys() <= set(VARIABLES.values())
    assert settings_of({**found, "AWS_REGION": "eu-west-1"}) == settings


def test_a_missing_variable_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="session_key_parameter"):
        settings_of({"TORIL_CONSOLE_ADDRESS": "https://load.example.com"})
