"""Two running hosts, ours and Microsoft's, that the same tests are run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulator_tests.host.accounts import Accounts, run_accounts
from simulator_tests.host.running import MICROSOFTS, OURS, RunningHost, running


@pytest.fixture(scope="session")
def accounts() -> Iterator[Accounts]:
    """One Azurite for all tests."""
    with run_accounts() as server:
        yield server


@pytest.fixture(scope="session")
def our_host(accounts: Accounts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """Our host; tests tell their messages apart by their content."""
    with running(OURS, accounts.fresh(), tmp_path_factory.mktemp(OURS)) as host:
        yield host


@pytest.fixture(scope="session")
def microsofts_host(
    accounts: Accounts, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHost]:
    """Microsoft's listeners in front of the same worker."""
    with running(MICROSOFTS, accounts.fresh(), tmp_path_factory.mktemp(MICROSOFTS)) as host:
        yield host


@pytest.fixture(params=[OURS, MICROSOFTS])
def host_kind(request: pytest.FixtureRequest) -> str:
    """Both hosts, one after the other."""
    return str(request.param)


@pytest.fixture
def host(host_kind: str, request: pytest.FixtureRequest) -> RunningHost:
    """Both hosts, running."""
    running = request.getfixturevalue("our_host" if host_kind == OURS else "microsofts_host")
    assert isinstance(running, RunningHost)
    return running
