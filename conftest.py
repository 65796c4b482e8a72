"""What tests of every room share.

One Hypothesis profile for all tests: the same examples each time, and no limit of time, since no
test may depend on luck or time; `--hypothesis-profile=fresh` draws new ones. And one Azure CLI, one
PostgreSQL, one MariaDB and one Redis, which take seconds to start: only tests that use them do.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from simulator_tests.az.program import AzureCli, running
from simulator_tests.az.stage import Stage, signed_in
from tests import parts
from tests.mariadb import MariaDb, start_mariadb
from tests.postgresql import PostgreSql, start_postgresql
from tests.redis import Redis, start_redis
from tests.servers import drain

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fresh", UNTIMED)
settings.register_profile("rekey", UNTIMED, derandomize=True)
settings.load_profile("rekey")


def pytest_addoption(parser: pytest.Parser) -> None:
    parts.options(parser)


def pytest_configure(config: pytest.Config) -> None:
    parts.configure(config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return parts.processes()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return parts.ignore(collection_path, config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    parts.select(config, items)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if line := parts.rows_left_out(config):
        terminalreporter.write_line(line)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and (line := parts.closing_line(config)):
        reporter.write_line(line)


@pytest.fixture(scope="session")
def azure_cli() -> Iterator[AzureCli]:
    with running() as az:
        yield az


@pytest.fixture(scope="session")
def stage(azure_cli: AzureCli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with signed_in(azure_cli, tmp_path_factory.mktemp("stage")) as ready:
        yield ready


@pytest.fixture(scope="session")
def shared_postgresql() -> Iterator[PostgreSql]:
    with start_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def shared_mariadb() -> Iterator[MariaDb]:
    with start_mariadb() as server:
        yield server


@pytest.fixture
def postgresql(shared_postgresql: PostgreSql, monkeypatch: pytest.MonkeyPatch) -> PostgreSql:
    """A real server, whose certificate this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(shared_postgresql.authority))
    return shared_postgresql


@pytest.fixture
def mariadb(shared_mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch) -> MariaDb:
    """A real server, whose certificate this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(shared_mariadb.authority))
    return shared_mariadb


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[Redis]:
    with start_redis() as server:
        yield server


@pytest.fixture
def redis(shared_redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Redis:
    """A real server, whose certificate this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(shared_redis.authority))
    return shared_redis


@pytest.fixture
async def drained() -> AsyncIterator[None]:
    """Let the test's loop close what its connections have left open."""
    yield
    await drain()
