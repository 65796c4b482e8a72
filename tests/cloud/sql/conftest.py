"""A SQL server that real drivers reach, with an authority that this process trusts while a test runs."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

import pytest
import trustme

from cloud.sql.driver import DriverSqlServers
from engine.secret import Sensitive
from simulator.sql.statements import Grammar, OwnGrammar
from simulator.sql.tds.grammar import MicrosoftGrammar
from simulator.sql.tds.server import TdsServers
from tests.shared.sql_rig import ADMIN, FIRST, SqlRig


@dataclass
class Wired:
    """The rig's servers on loopback, and the authority behind their certificates."""

    rig: SqlRig
    authority: trustme.CA
    servers: TdsServers = field(init=False)

    def __post_init__(self) -> None:
        self.servers = TdsServers(self.rig.world, self.rig.world.sql, self.certified("localhost"))

    def present(self, tls: ssl.SSLContext) -> None:
        """Let the servers show another certificate."""
        self.servers = TdsServers(self.rig.world, self.rig.world.sql, tls)

    def certified(self, *names: str, **options: object) -> ssl.SSLContext:
        """Return a server's side of TLS with a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*names, **options).configure_cert(context)  # type: ignore[arg-type]
        return context


@pytest.fixture
def rig() -> SqlRig:
    return SqlRig()


@pytest.fixture(scope="session")
def grammar() -> Iterator[MicrosoftGrammar]:
    """Microsoft's parser; without it the test skips, or fails where CI is set."""
    named = os.environ.get("TSQL_CHECK") or which("tsql-check")
    if not named:
        reason = "TSQL_CHECK does not name the program that holds Microsoft's T-SQL parser"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with MicrosoftGrammar(Path(named)) as parser:
        yield parser


@pytest.fixture(scope="session")
def best_grammar() -> Iterator[Grammar]:
    """Microsoft's parser where it is at hand, the simulator's own recogniser elsewhere."""
    named = os.environ.get("TSQL_CHECK") or which("tsql-check")
    if not named:
        yield OwnGrammar()
        return
    with MicrosoftGrammar(Path(named)) as parser:
        yield parser


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> trustme.CA:
    """An authority that the driver trusts; it reads whom once a process, when it first connects."""
    ca, file = trustme.CA(), tmp_path_factory.mktemp("authority") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    wired = Wired(SqlRig(), ca)
    with pytest.MonkeyPatch.context() as environment, wired.servers:
        environment.setenv("SSL_CERT_FILE", str(file))
        asyncio.run(
            DriverSqlServers().sign_in(wired.rig.server.fqdn, "master", ADMIN, Sensitive(FIRST))
        )
    return ca


@pytest.fixture
def unstarted(rig: SqlRig, best_grammar: Grammar, authority: trustme.CA) -> Iterator[Wired]:
    """Servers that are not listening yet."""
    rig.world.sql.grammar = best_grammar
    wired = Wired(rig, authority)
    yield wired
    wired.servers.stop()


@pytest.fixture
def wired(unstarted: Wired) -> Wired:
    unstarted.servers.start()
    return unstarted
