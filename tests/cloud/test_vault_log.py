"""Who read a secret: one question to the workspace, and what its answer means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cloud.azure import Azure
from cloud.rest.vault_log import MOST, VaultLog, query_of
from engine.errors import AccessDenied, NeedsHuman, TransientError
from engine.secret import SecretRef
from engine.state.history import Read, readers_of
from simulator.azure import build_world
from simulator.clock import VirtualClock
from simulator.reach.transport import Call, Intercept, SimulatedCredential, SimulatedTransport
from simulator.telemetry.logs import RIGHT
from simulator.telemetry.vault_logs import TABLES, Audited
from simulator.wire import Request, Response, json_response

VAULT = "https://prod.vault.azure.net"
REF = SecretRef(VAULT, "app-key")
NEW, OLD = "f" * 32, "0" * 32
SITE = "/subscriptions/1/resourcegroups/rg/providers/Microsoft.Web/sites/shop"
NOW = datetime(2026, 11, 4, 9, tzinfo=UTC)


class Bench:
    """A workspace that gets the audit log of a vault, and somebody who may ask it."""

    def __init__(self, *rights: str) -> None:
        self.clock = VirtualClock()
        self.world = build_world(self.clock.now)
        self.caller = self.world.add_person("ada@northwind.example", "User.Read")
        self.workspace = self.world.add_log_workspace("central")
        self.world.grant(self.caller, rights or ("*/read",), self.workspace.resource_id)

    def log(self, version: str = NEW, days: float = 1, **fields: object) -> None:
        """Let a call be logged that came so many days ago: a read, where `fields` say no other."""
        known = {
            "time": self.clock.now() - timedelta(days=days),
            "operation": "SecretGet",
            "status": 200,
            "id": f"{VAULT}/secrets/app-key/{version}",
            "uri": f"{VAULT}/secrets/app-key/?api-version=7.4",
            "resource": SITE,
            "oid": "b1",
        }
        table = str(fields.pop("table", TABLES[0]))
        row = Audited(**(known | fields))  # type: ignore[arg-type]
        self.workspace.audited.setdefault(table, []).append(row)

    def asked(self, intercept: Intercept | None = None) -> VaultLog:
        """Return the log as the app asks it."""
        transport = SimulatedTransport(self.world, intercept)
        return VaultLog(
            Azure(
                SimulatedCredential(self.world, self.caller),
                options={"transport": transport},
                logs_workspace=self.workspace.id,
            )
        )


async def test_each_reader_is_told_once_with_the_version_that_it_read_last() -> None:
    bench = Bench()
    bench.log(OLD, days=5)
    bench.log(NEW, days=1)
    bench.log(OLD, days=2, resource="", person="ada@northwind.example", oid="a1")
    readers = (await bench.asked().readers(REF, 30)).found
    assert [(reader.kind, reader.name, reader.version, reader.count) for reader in readers] == [
        ("resource", SITE, NEW, 2),
        ("person", "ada@northwind.example", OLD, 1),
    ]
    assert readers[0].last == bench.clock.now() - timedelta(days=1)


@pytest.mark.parametrize("table", TABLES)
async def test_both_tables_to_which_a_vault_may_log_are_asked(table: str) -> None:
    bench = Bench()
    bench.log(table=table)
    readers = await bench.asked().readers(REF, 30)
    assert (len(readers.found), readers.is_logged, readers.is_partial) == (1, True, False)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": 403},
        {"operation": "SecretSet"},
        {"id": f"{VAULT}/secrets/app-key2/{NEW}"},
        {"id": f"{VAULT}/keys/app-key/{NEW}"},
        {"days": 31},
    ],
)
async def test_what_is_no_read_of_this_secret_then_is_not_told(fields: dict[str, object]) -> None:
    """A refused read is called a success in the log, so its status decides."""
    bench = Bench()
    bench.log(days=1, id=f"{VAULT}/secrets/other/{NEW}")
    bench.log(**{"days": 1, **fields})  # type: ignore[arg-type]
    readers = await bench.asked().readers(REF, 30)
    assert (readers.found, readers.is_logged) == ((), True)


async def test_a_workspace_without_anything_of_the_vault_is_never_told_as_nobody() -> None:
    bench = Bench()
    other = "https://other.vault.azure.net/secrets/app-key"
    bench.log(id=f"{other}/{NEW}", uri=other)
    readers = await bench.asked().readers(REF, 30)
    assert (readers.found, readers.is_logged) == ((), False)


async def test_who_may_not_ask_is_told_the_role() -> None:
    bench = Bench("Microsoft.OperationalInsights/workspaces/read")
    with pytest.raises(AccessDenied, match="Log Analytics Reader"):
        await bench.asked().readers(REF, 30)


async def test_a_table_that_may_not_be_read_is_as_good_as_none() -> None:
    bench = Bench(f"{RIGHT}/read", f"{RIGHT}/{TABLES[1]}/read")
    bench.log()
    assert not (await bench.asked().readers(REF, 30)).is_logged


async def test_an_answer_that_was_cut_short_says_so() -> None:
    bench = Bench()
    for number in range(MOST):
        bench.log(oid=f"reader-{number}", resource="", app="")
    assert (await bench.asked().readers(REF, 30)).is_partial


def answered(body: object) -> Intercept:
    """Return a network in which the workspace answers with this body."""

    async def network(request: Request, call: Call) -> Response:
        return json_response(200, body) if "loganalytics" in request.host else await call()

    return network


ROW = {
    "Version": NEW,
    "Resource": SITE,
    "Person": None,
    "App": None,
    "Object": "b1",
    "Reads": 1,
    "Last": "2026-11-03T09:00:00Z",
}


@pytest.mark.parametrize("wrong", [{"Reads": "many"}, {"Last": None}, {"Last": "yesterday"}, {}])
async def test_an_answer_with_other_columns_is_an_error_with_the_secret(
    wrong: dict[str, object],
) -> None:
    row = {**ROW, **wrong} if wrong else {"Reads": 1}
    table = {"columns": [{"name": name} for name in row], "rows": [[*row.values()]]}
    with pytest.raises(TransientError, match="other columns") as caught:
        await Bench().asked(answered({"tables": [table]})).readers(REF, 30)
    assert caught.value.where == str(REF)


COLUMNS = [{"name": name} for name in ROW]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tables": []},
        {"tables": None},
        {"tables": [{"columns": COLUMNS}]},
        {"tables": [{"columns": COLUMNS, "rows": [[NEW]]}]},
    ],
)
async def test_an_answer_that_is_no_table_is_not_taken_for_nobody(body: object) -> None:
    bench = Bench()
    with pytest.raises(TransientError, match="was answered with no table") as caught:
        await bench.asked(answered(body)).readers(REF, 30)
    assert caught.value.where == f"workspace {bench.workspace.id}"


@pytest.mark.parametrize("name", ["app'key", "app key", "app/key", "", "x" * 128])
def test_nothing_but_a_name_ever_gets_into_the_query(name: str) -> None:
    with pytest.raises(NeedsHuman):
        query_of(SecretRef(VAULT, name), 30)


def test_an_app_with_the_name_of_rekeys_identity_is_not_taken_for_rekey() -> None:
    providers = "/subscriptions/a/resourcegroups/shop/providers"
    resources = (
        f"{providers}/microsoft.managedidentity/userassignedidentities/Rekey",
        f"{providers}/microsoft.web/sites/rekey",
        f"{providers}/microsoft.managedidentity/userassignedidentities/not-rekey",
    )
    reads = [Read(NEW, resource, "", "", resource, 1, NOW) for resource in resources]
    kinds = [reader.kind for reader in readers_of(reads, "Rekey")]
    assert kinds == ["rekey", "resource", "resource"]


def test_who_is_named_by_nothing_else_is_named_by_the_object_id() -> None:
    reads = [Read(NEW, "", "", "", "o1", 1, NOW), Read(NEW, "", "", "app-1", "o2", 1, NOW)]
    assert [(reader.kind, reader.name) for reader in readers_of(reads)] == [
        ("unknown", "o1"),
        ("application", "app-1"),
    ]
