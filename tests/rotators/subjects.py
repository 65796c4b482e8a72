"""Every kind of credential as the contract suite wants it.

One Subject a kind, each scene a world of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from engine.contract import Job, Rotator
from rotators.service_principal_certificate import ServicePrincipalCertificate
from rotators.service_principal_secret import ServicePrincipalSecret
from rotators.sql_admin_password import SqlAdminPassword
from rotators.sql_login_password import SqlLoginPassword
from rotators.storage_key import StorageKey
from rotators.storage_sas import StorageSas
from simulator.certificates import self_signed
from simulator.reach.transport import Intercept
from tests.rotators import sql_scenes as sql
from tests.rotators.database_scenes import SCENES, WRONG, DatabaseScene
from tests.rotators.key_scenes import FAMILY, WITHOUT_ENTITY, KeyScene
from tests.rotators.sas_scenes import RULES, RuleScene, SasScene
from tests.shared.certificate_rig import CertificateRig
from tests.shared.graph_rig import GraphRig
from tests.shared.rig import Rig


class Scene(Protocol):
    """A source with one credential that the vault holds."""

    @property
    def rig(self) -> Rig:
        """The world around it."""
        ...

    @property
    def source_name(self) -> str:
        """What an error must name, so that a person finds the source."""
        ...

    def rotator(self, intercept: Intercept | None = None) -> Rotator:
        """Return the rotator as a fresh process has it."""
        ...

    def job(self) -> Job:
        """Return a job for the credential held, which Rekey wrote itself."""
        ...

    def live(self) -> set[str]:
        """Return the values of all credentials that the source knows."""
        ...

    def value(self, credential_id: str) -> str:
        """Return what the source knows under an id."""
        ...

    def spread_slowly(self, seconds: float) -> None:
        """Let every new credential take so long until the source accepts it."""
        ...

    def vanish(self) -> None: ...


@dataclass(frozen=True)
class Subject:
    """One kind under test."""

    kind: type[Rotator]
    scene: Callable[[], Scene]
    addresses: Mapping[str, str]
    """Ways to write a ProviderAddress of this kind, and the one spelling of each."""
    slots: int
    """How many credentials the source holds while a rotation is under way, however often it is
    tried."""
    wrong: str
    """A value of the right form that no source accepts."""
    strategy: str = ""
    """Which way of this kind, where there are several."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags that the addresses go with."""

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.strategy}".strip()


class StorageScene:
    """An account of which the vault holds key1."""

    def __init__(self) -> None:
        self.rig = Rig()
        self._account = self.rig.account("appdata")
        self.source_name = self._account.resource_id.lower()

    def rotator(self, intercept: Intercept | None = None) -> StorageKey:
        return self.rig.alone(StorageKey, intercept)

    def job(self) -> Job:
        return self.rig.job_of(self.source_name, "key1", self.value("key1"))

    def live(self) -> set[str]:
        return {key.value for key in self._account.keys.values()}

    def value(self, credential_id: str) -> str:
        return self._account.keys[credential_id].value

    def spread_slowly(self, seconds: float) -> None:
        self._account.propagation = timedelta(seconds=seconds)

    def vanish(self) -> None:
        self.rig.world.remove_account("appdata")


class ApplicationScene:
    """An application of which the vault holds the one credential that it has."""

    def __init__(self, made: type[GraphRig | CertificateRig]) -> None:
        self.application: GraphRig | CertificateRig = made()
        self.rig: Rig = self.application
        self.source_name = self.application.app.app_id

    def rotator(self, intercept: Intercept | None = None) -> Rotator:
        return self.application.rotator(intercept)

    def job(self) -> Job:
        return self.application.job()

    def live(self) -> set[str]:
        return set(self._values().values())

    def value(self, credential_id: str) -> str:
        return self._values()[credential_id]

    def _values(self) -> dict[str, str]:
        """Return what the vault holds of each credential of the application, by its id."""
        if isinstance(self.application, GraphRig):
            return {password.key_id: password.secret for password in self.application.alive()}
        rig = self.application
        made = {rig.holds(value): value for value in rig.made()}
        return {key.key_id: made[key.der] for key in rig.alive() if key.der in made}

    def spread_slowly(self, seconds: float) -> None:
        self.application.directory.lags = (timedelta(seconds=seconds),)

    def vanish(self) -> None:
        del self.application.directory.applications[self.source_name]


ACCOUNT = "/subscriptions/s1/resourcegroups/g1/providers/microsoft.storage/storageaccounts/acc1"
SERVER = "/subscriptions/s1/resourcegroups/g1/providers/microsoft.sql/servers/orders"
SERVER_AS_SHOWN = "/subscriptions/S1/resourceGroups/G1/providers/Microsoft.Sql/servers/Orders"
APPLICATION = "0b6d3c1e-7a4f-4c55-9a51-2f6f5d1c8e90"
SUBJECTS = (
    Subject(
        StorageKey,
        StorageScene,
        {
            ACCOUNT: ACCOUNT,
            "/subscriptions/S1/resourceGroups/G1/providers/Microsoft.Storage/storageAccounts/Acc1": ACCOUNT,
            f" {ACCOUNT}/ ": ACCOUNT,
        },
        slots=2,
        wrong="A" * 86 + "==",
    ),
    Subject(
        StorageSas,
        SasScene,
        {
            f"{ACCOUNT}/sas/container/uploads/rl": f"{ACCOUNT}/sas/container/uploads/rl",
            f" {ACCOUNT.upper()}/SAS/Container/Uploads/LR/": f"{ACCOUNT}/sas/container/uploads/rl",
        },
        slots=2,
        wrong="sv=2022-11-02&sr=c&sp=rl&se=2099-01-01T00%3A00%3A00Z&spr=https&sig=AAAA",
    ),
    *(
        Subject(
            signed.kind,
            partial(RuleScene, signed),
            {
                f"{signed.member.address}/sas": canonical,
                f" {signed.member.address}/SAS/ ": canonical,
            },
            slots=2,
            wrong=(
                "SharedAccessSignature sr=https%3A%2F%2Fshop1.servicebus.windows.net%2F"
                f"{signed.member.path.split('/')[1].lower()}&sig=AAAA&se=4102444800"
                f"&skn={signed.member.path.rpartition('/')[2]}"
            ),
        )
        for signed in RULES
        if (canonical := signed.kind.canonical(f"{signed.member.address}/sas", {}))
    ),
    Subject(
        ServicePrincipalSecret,
        partial(ApplicationScene, GraphRig),
        {
            APPLICATION: APPLICATION,
            f" {APPLICATION.upper()} ": APPLICATION,
            f"applications(appId='{APPLICATION}')": APPLICATION,
        },
        slots=2,
        wrong="abc" + "~" * 37,
    ),
    Subject(
        ServicePrincipalCertificate,
        partial(ApplicationScene, CertificateRig),
        {
            APPLICATION: f"{APPLICATION}/certificates",
            f"applications(appId='{APPLICATION}')": f"{APPLICATION}/certificates",
        },
        slots=2,
        wrong=self_signed(
            "nobody", datetime(2026, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
        ).pem,
        tags={"Rotator": "service-principal-certificate"},
    ),
    Subject(
        SqlAdminPassword,
        sql.administrator,
        {SERVER: SERVER, SERVER_AS_SHOWN: SERVER, f" {SERVER}/ ": SERVER},
        slots=1,
        wrong="W" * 38 + "-1",
    ),
    Subject(
        SqlLoginPassword,
        sql.one_login,
        {SERVER: f"{SERVER}/logins/app", f"{SERVER_AS_SHOWN}/": f"{SERVER}/logins/app"},
        slots=1,
        wrong="W" * 38 + "-1",
        strategy="of one login",
        tags={"Rotator": "sql-login-password", "CredentialId": "App"},
    ),
    Subject(
        SqlLoginPassword,
        sql.contained_user,
        {
            f"{SERVER}/databases/shop": f"{SERVER}/databases/shop/logins/app",
            f"{SERVER_AS_SHOWN}/databases/Shop": f"{SERVER}/databases/shop/logins/app",
        },
        slots=1,
        wrong="W" * 38 + "-1",
        strategy="of a contained user",
        tags={"CredentialId": "app"},
    ),
    Subject(
        SqlLoginPassword,
        sql.two_logins,
        {SERVER: f"{SERVER}/logins/app_a+app_b", SERVER_AS_SHOWN: f"{SERVER}/logins/app_a+app_b"},
        slots=2,
        wrong="W" * 38 + "-1",
        strategy="of two logins",
        tags={"Logins": "app_b, app_a"},
    ),
    *(
        Subject(
            member.kind,
            partial(KeyScene, member),
            dict.fromkeys((member.address, f" {member.address}/ "), canonical),
            slots=2,
            wrong=member.wrong,
            strategy=member.strategy,
            tags={"CredentialId": member.slot},
        )
        for member in FAMILY
        if member not in WITHOUT_ENTITY
        and (canonical := member.kind.canonical(member.address, {"CredentialId": member.slot}))
    ),
    *(
        Subject(
            scene.kind,
            partial(DatabaseScene, *arguments),
            {
                scene.server.resource_id: canonical,
                f" {scene.server.resource_id.lower()}/ ": canonical,
            },
            slots=max(len(arguments[1]), 1),
            wrong=WRONG,
            strategy=name.partition(" ")[2],
            tags=scene.tags,
        )
        for name, arguments in SCENES.items()
        if (scene := DatabaseScene(*arguments)) and (canonical := scene.job().source)
    ),
)
