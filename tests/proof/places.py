"""One secret of every kind and strategy in a simulated Azure, and what the promises ask of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from simulator.keyvault.state import SecretVersion
from tests.rotators.database_scenes import NAME as DATABASE_SECRET
from tests.rotators.database_scenes import SCENES, DatabaseScene
from tests.rotators.key_scenes import FAMILY, KeyScene, Member
from tests.rotators.sas_scenes import RULES, RuleScene, RuleSigned, SasScene
from tests.shared import graph_rig as graph
from tests.shared import sql_product as sql
from tests.shared.certificate_rig import NAME as CERTIFICATE
from tests.shared.certificate_rig import CertificateRig
from tests.shared.promises import Place
from tests.shared.rig import CONNECTION_STRING, Rig


def _storage(template: str | None = None) -> Place:
    rig = Rig()
    account = rig.account("appdata")
    rig.secret("app-key", account, template=template)
    return Place.of_account(rig, "app-key", account)


def _copied() -> Place:
    """Put a storage key under management that another secret repeats, in a form of its own."""
    rig = Rig()
    account, url = rig.account("appdata"), f"{rig.vault.url}/secrets/"
    first = rig.secret("app-key", account, tags={"Replicas": f"{url}copy"})
    text = CONNECTION_STRING.format(account="appdata", key=first.value, suffix="core.windows.net")
    tags = {"ReplicaOf": f"{url}app-key", "ValueTemplate": CONNECTION_STRING}
    rig.vault.put("copy", text, expires=rig.clock.now() + timedelta(days=10), tags=tags)
    return Place.of_account(rig, "app-key", account)


def _signature() -> Place:
    scene = SasScene()
    scene.manage(days_left=10, key_days_left=400)
    return scene.place()


def _rule_signature(signed: RuleSigned) -> Place:
    scene = RuleScene(signed)
    scene.manage()
    return scene.place()


def _application() -> Place:
    rig = graph.GraphRig()
    rig.managed()

    def accepts(version: SecretVersion) -> bool:
        return version.value in {password.secret for password in rig.alive()}

    return Place(
        rig, graph.NAME, accepts, lambda: {password.secret for password in rig.app.history}
    )


def _certificate() -> Place:
    rig = CertificateRig()
    rig.managed()
    return Place(rig, CERTIFICATE, lambda version: rig.accepts(version.value), rig.planted)


def _sql(strategy: str) -> Place:
    rig, kind = sql.SqlProduct(), sql.KINDS[strategy]
    kind.setup(rig)
    return Place(rig, sql.NAME, rig.accepted, rig.passwords, kind.single)


def _keys(member: Member, hours: float | None = None) -> Place:
    """Put a key under management; with `hours`, at a source whose changes take that long."""
    scene = KeyScene(member)
    if hours is not None:
        scene.account.duration = timedelta(hours=hours)
    scene.manage("app-key")
    return Place(scene.rig, "app-key", lambda version: version.value in scene.live(), scene.live)


def _database(name: str) -> Place:
    scene = DatabaseScene(*SCENES[name])
    scene.manage()
    single = len(scene.logins) < 2
    return Place(scene.rig, DATABASE_SECRET, scene.accepted, scene.planted, single)


COSMOS = next(member for member in FAMILY if member.kind.tells_times)
FAMILY_PLACES: Mapping[str, Callable[[], Place]] = {
    str(member): partial(_keys, member) for member in FAMILY
}
PLACES: Mapping[str, Callable[[], Place]] = {
    "storage-key": _storage,
    "storage-key in a connection string": lambda: _storage(CONNECTION_STRING),
    "storage-sas": _signature,
    **{signed.kind.kind: partial(_rule_signature, signed) for signed in RULES},
    "service-principal-secret": _application,
    "service-principal-certificate": _certificate,
    "sql-admin-password": lambda: _sql("an administrator"),
    "sql-login-password": lambda: _sql("a login"),
    "sql-login-password of a user": lambda: _sql("a contained user"),
    "sql-login-password of two logins": lambda: _sql("two logins"),
    **{name: partial(_database, name) for name in SCENES},
    **FAMILY_PLACES,
}
STORIES: Mapping[str, Callable[[], Place]] = {
    **PLACES,
    "cosmos-db-key that takes long": lambda: _keys(COSMOS, 0.4),
    "cosmos-db-key that takes long, in an incident": lambda: replace(
        _keys(COSMOS, 0.4), compromised=True
    ),
    "storage-key in two secrets": _copied,
    "storage-key in an incident": lambda: replace(_storage(), compromised=True),
    "service-principal-secret in an incident": lambda: replace(_application(), compromised=True),
    "service-principal-certificate in an incident": lambda: replace(
        _certificate(), compromised=True
    ),
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
RULE_SIGNATURES = tuple(signed.kind.kind for signed in RULES)
"""These share every step with the signatures of a storage account."""
DATABASES = tuple(name for name in STORIES if name.startswith(("postgresql", "mysql")))
"""These share every step of the engine with SQL's, so one of them stands for all."""
PAIRED = tuple(
    name
    for name in STORIES
    if not (name in (*FAMILY_PLACES, *DATABASES, *RULE_SIGNATURES) or "takes long" in name)
    or name in (*QUIRKS, "postgresql-role-password")
)
"""What is played under two faults, too."""
STRATEGIES = (
    "storage-key",
    "storage-sas",
    "service-principal-secret",
    "service-principal-certificate",
    "sql-admin-password",
    "sql-login-password of two logins",
    "cosmos-db-key that takes long",
    "storage-key in an incident",
    "sql-login-password in an incident",
)
"""One for each way to rotate, and an incident of two: two keys, a signature, many credentials, a
certificate, one password, two logins, and a change that takes hours."""
