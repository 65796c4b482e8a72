"""What a host does whose own storage it cannot open, or not yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.host.keys import Keys, LoadedKeys
from simulator.host.settings import SettingError
from simulator.host.storage import Storage
from simulator_tests.host.accounts import Accounts
from simulator_tests.host.running import KEY, MASTER_KEY, OURS, SYSTEM_KEY, running
from simulator_tests.host.test_event_grid import NOTIFICATION, event
from simulator_tests.host.test_event_grid import call as deliver
from simulator_tests.host.test_http_triggers import ROTATE, call, with_key

NAME = "AzureWebJobsStorage"
URIS = {
    f"{NAME}__credential": "managedidentity",
    f"{NAME}__blobServiceUri": "https://app.blob.core.usgovcloudapi.net",
    f"{NAME}__queueServiceUri": "https://app.queue.core.usgovcloudapi.net",
}
KEYS = Keys(default="d", master="m", system="s")


def test_an_empty_setting_beside_uris_leaves_the_host_unhealthy_and_every_key_refused(
    accounts: Accounts, tmp_path: Path
) -> None:
    """A deployment tool or a person has left it; nothing but the log says so."""
    with running(OURS, accounts.fresh(), tmp_path, **{NAME: "", **URIS}) as host:
        assert call(host, ROTATE, headers=with_key(KEY))[0] == 401
        assert call(host, "/admin/host/status", "GET", with_key(MASTER_KEY))[0] == 401
        assert deliver(host, [event("A")], NOTIFICATION, key=SYSTEM_KEY)[0] == 401
        log = host.log()
    assert f"Unable to create client for {NAME}" in log
    assert "Function 'on_thing' failed indexing" in log
    assert f"remove the setting {NAME}" in log


async def test_an_empty_setting_is_taken_for_a_connection_string_by_every_client() -> None:
    async with Storage({NAME: "", **URIS}) as storage:
        assert "has an empty value" in storage.problem()
        with pytest.raises(SettingError, match="has an empty value"):
            storage.blobs()
        with pytest.raises(SettingError, match="has an empty value"):
            storage.queue(None, "a")


@pytest.mark.parametrize("settings", [URIS, {NAME: "", f"{NAME}__accountName": "app"}])
async def test_uris_alone_and_the_name_of_an_account_are_understood(
    settings: dict[str, str],
) -> None:
    async with Storage(settings) as storage:
        assert storage.problem() == ""
        assert storage.blobs().account_name == storage.queue(None, "a").account_name == "app"


@pytest.mark.parametrize(("now", "opens"), [(0.0, False), (4.9, False), (5.0, True), (6.0, True)])
def test_the_webhooks_key_opens_nothing_until_the_host_has_loaded_it(
    now: float, *, opens: bool
) -> None:
    keys = LoadedKeys(KEYS, readable=True, open_at=5, clock=lambda: now)
    assert keys.allow("system", "s") is opens
    assert keys.allow("system", "m")
    assert keys.allow("function", "d")


def test_what_event_grid_delivers_to_a_host_that_has_just_started_is_refused(
    accounts: Accounts, tmp_path: Path
) -> None:
    """Event Grid tries again where the subscription names the function; a web hook's event is gone."""
    late = ("--event-grid-key-seconds", "3600")
    with running(OURS, accounts.fresh(), tmp_path, *late) as host:
        assert deliver(host, [event("A")], NOTIFICATION, key=SYSTEM_KEY)[0] == 401
        assert call(host, ROTATE, headers=with_key(KEY))[0] == 202
        assert host.records("on_event") == []
