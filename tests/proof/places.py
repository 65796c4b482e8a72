"""One secret of every kind and strategy in a simulated Azure, and what the promises ask about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from simulator.keyvault.state import SecretVersion
from tests.graph import places as graph
from tests.rig import CONNECTION_STRING, Rig
from tests.rotators.database_scenes import NAME as DATABASE_SECRET
from tests.rotators.database_scenes import SCENES, DatabaseScene
from tests.rotators.key_scenes import FAMILY, KeyScene, Member
from tests.sql import product as sql


@dataclass(frozen=True)
class Place:
    """A world with one secret that is due."""

    rig: Rig
    name: str
    accepts: Callable[[SecretVersion], bool]
    """Does the source accept what this version holds, now?"""
    planted: Callable[[], set[str]]
    """Every credential that the source holds or has held: none may leak."""
    single: bool = False
    compromised: bool = False
    """It is rotated since somebody may know the credential: no overlap is left to it."""


def _storage(template: str | None = None) -> Place:
    rig = Rig()
    account = rig.account("appdata")
    rig.secret("app-key", account, template=template)

    def alive() -> set[str]:
        return {key.value for key in account.keys.values()}

    return Place(
        rig, "app-key", lambda version: any(key in version.value for key in alive()), alive
    )


def _application() -> Place:
    rig = graph.GraphRig()
    rig.managed()

    def accepts(version: SecretVersion) -> bool:
        return version.value in {each.secret for each in rig.alive()}

    return Place(rig, graph.NAME, accepts, lambda: {each.secret for each in rig.app.history})


def _sql(strategy: str) -> Place:
    rig, kind = sql.SqlProduct(), sql.KINDS[strategy]
    kind.setup(rig)
    promises = sql.SqlPromises(rig, kind)

    def planted() -> set[str]:
        return {text for account in promises.accounts() for _, text in account.passwords}

    return Place(rig, sql.NAME, promises.accepted, planted, kind.single)


def _keys(member: Member) -> Place:
    scene = KeyScene(member)
    scene.manage("app-key")
    return Place(scene.rig, "app-key", lambda version: version.value in scene.live(), scene.live)


def _database(name: str) -> Place:
    scene = DatabaseScene(*SCENES[name])
    scene.manage()
    single = len(scene.logins) < 2
    return Place(scene.rig, DATABASE_SECRET, scene.accepted, scene.planted, single)


FAMILY_PLACES: Mapping[str, Callable[[], Place]] = {
    str(member): partial(_keys, member) for member in FAMILY
}
PLACES: Mapping[str, Callable[[], Place]] = {
    "storage-key": _storage,
    "storage-key in a connection string": lambda: _storage(CONNECTION_STRING),
    "service-principal-secret": _application,
    "sql-admin-password": lambda: _sql("an administrator"),
    "sql-login-password": lambda: _sql("a login"),
    "sql-login-password of a user": lambda: _sql("a contained user"),
    "sql-login-password of two logins": lambda: _sql("two logins"),
    **{name: partial(_database, name) for name in SCENES},
    **FAMILY_PLACES,
}
STORIES: Mapping[str, Callable[[], Place]] = {
    **PLACES,
    "storage-key in an incident": lambda: replace(_storage(), compromised=True),
    "service-principal-secret in an incident": lambda: replace(_application(), compromised=True),
    "sql-login-password in an incident": lambda: replace(_sql("a login"), compromised=True),
    "postgresql-role-password in an incident": lambda: replace(
        _database("postgresql-role-password"), compromised=True
    ),
}
"""What is played through the SDKs under faults."""
QUIRKS = ("service-bus-key of a queue", "search-admin-key", "app-configuration-key", "signalr-key")
"""Of the kinds with two keys those whose requests differ most: a rule, a key in the path, one named
by id, a long change."""
MYSQL = tuple(name for name in SCENES if name.startswith("mysql"))
"""These share every step with PostgreSQL's."""
DATABASES = tuple(name for name in STORIES if name.startswith(("postgresql", "mysql")))
"""These share every step of the engine with SQL's, so one of them stands for all."""
PAIRED = tuple(
    name
    for name in STORIES
    if name not in (*FAMILY_PLACES, *DATABASES) or name in (*QUIRKS, "postgresql-role-password")
)
"""What is played under two faults, too."""
