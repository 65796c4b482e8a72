"""The limits of one vault: 300 creations and 4,000 other calls in ten seconds."""

from __future__ import annotations

import pytest

from simulator.azure import Azure
from simulator.clock import VirtualClock
from simulator.keyvault.state import Vault
from simulator_tests.caller import Caller, error_of


def test_the_301st_creation_within_ten_seconds_is_throttled(
    caller: Caller, vault: Vault, clock: VirtualClock
) -> None:
    statuses = [
        caller.secrets(vault, "PUT", f"secrets/s{number}", {"value": "v"}).status
        for number in range(300)
    ]
    assert set(statuses) == {200}

    refused = caller.secrets(vault, "PUT", "secrets/one-more", {"value": "v"})

    assert error_of(refused) == (429, "Throttled")
    assert "Retry-After" not in refused.headers
    assert vault.versions("one-more") == []
    clock.advance(9.9)
    assert caller.secrets(vault, "PUT", "secrets/one-more", {"value": "v"}).status == 429
    clock.advance(0.1)
    assert caller.secrets(vault, "PUT", "secrets/one-more", {"value": "v"}).status == 200


def test_other_calls_have_a_limit_of_their_own(caller: Caller, vault: Vault) -> None:
    vault.put("password", "v")
    assert (vault.creates.limit, vault.others.limit) == (300, 4000)
    vault.others.limit = 2

    reads = [caller.secrets(vault, "GET", "secrets/password/").status for _ in range(3)]

    assert reads == [200, 200, 429]
    assert caller.secrets(vault, "PUT", "secrets/password", {"value": "w"}).status == 200


def test_each_vault_counts_for_itself(azure: Azure, caller: Caller, vault: Vault) -> None:
    other = azure.add_vault("contoso")
    vault.others.limit = 0

    assert caller.secrets(vault, "GET", "secrets").status == 429
    assert caller.secrets(other, "GET", "secrets").status == 200


@pytest.mark.parametrize("seconds", [None, 7])
def test_a_throttled_answer_names_the_time_to_wait_only_where_told_to(
    caller: Caller, vault: Vault, seconds: int | None
) -> None:
    vault.others.limit, vault.retry_after = 0, seconds

    response = caller.secrets(vault, "GET", "secrets")

    assert response.headers.get("Retry-After") == (None if seconds is None else str(seconds))
