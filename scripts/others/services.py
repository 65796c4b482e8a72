"""What a rotation function of AWS calls: Secrets Manager imitated, and PostgreSQL itself.

The function imports `boto3`, `pg` and `pgdb`; these stand in for them. Each request is a call of the
scene. What is imitated of Secrets Manager is the part that these functions use, as its API reference
says: https://docs.aws.amazon.com/secretsmanager/latest/apireference/.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Any, Self

import asyncpg

from scripts.others.scene import Scene

MASTER = "aws/master"


class NotThere(Exception):  # noqa: N818 - as ResourceNotFoundException
    """There is no such version, or none with that stage."""


class PgError(Exception):
    """As pg.InternalError: the server refuses the connection."""


@dataclass
class SecretsManager:
    """The versions of one secret with their stages, and one secret of a superuser."""

    scene: Scene
    versions: dict[str, dict[str, Any]]
    stages: dict[str, set[str]]
    master: Mapping[str, Any]
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    exceptions: Any = field(
        default_factory=lambda: SimpleNamespace(ResourceNotFoundException=NotThere)
    )

    def current(self) -> str:
        """Return the version that consumers read."""
        return self.staged("AWSCURRENT")

    def staged(self, stage: str) -> str:
        """Return the version with a stage; raises NotThere."""
        for version, stages in self.stages.items():
            if stage in stages:
                return version
        raise NotThere(stage)

    def describe_secret(self, **request: str) -> dict[str, Any]:
        """Return the stages of each version."""
        named = {version: sorted(stages) for version, stages in self.stages.items()}
        answer = {"RotationEnabled": True, "VersionIdsToStages": named}
        shown = {"version": self.current()}
        return self.scene.call(
            "vault", "read", lambda: answer, shown=lambda _: shown, secret=request["SecretId"]
        )

    def get_secret_value(self, **request: str) -> dict[str, Any]:
        """Return the value of a version; raises NotThere."""

        def value() -> dict[str, Any]:
            if request["SecretId"] == MASTER:
                return {"SecretString": json.dumps(self.master)}
            version = request.get("VersionId") or self.staged(request["VersionStage"])
            if version not in self.versions or request["VersionStage"] not in self.stages[version]:
                raise NotThere(version)
            return {"SecretString": json.dumps(self.versions[version])}

        try:
            return self.scene.call("vault", "read version", value, secret=request["SecretId"])
        except NotThere:
            self.scene.say("answer", n=self.scene.calls, said="not found")
            raise

    def get_random_password(self, **request: object) -> dict[str, str]:
        """Return a password of letters and digits."""
        del request
        letters = string.ascii_letters + string.digits
        password = "".join(self.chance.choice(letters) for _ in range(32))
        return self.scene.call("vault", "make a password", lambda: {"RandomPassword": password})

    def put_secret_value(self, **request: Any) -> None:
        """Store a version, which is pending."""
        token, value = request["ClientRequestToken"], json.loads(request["SecretString"])
        self.scene.name(value["password"])

        def put() -> None:
            self.versions[token] = value
            self.stages.setdefault(token, set()).update(request["VersionStages"])

        self.scene.call("vault", "store as pending", put, secret=request["SecretId"])

    def update_secret_version_stage(self, **request: str) -> None:
        """Move AWSCURRENT from one version to another."""
        token, former = request["MoveToVersionId"], request["RemoveFromVersionId"]

        def move() -> None:
            if former != self.current():
                raise ValueError("InvalidParameterException")
            for stages in self.stages.values():
                stages.discard("AWSPREVIOUS")
            self.stages[former] = {"AWSPREVIOUS"}
            self.stages[token] = {"AWSCURRENT"}

        def changed() -> list[dict[str, Any]]:
            return [self.scene.version(token, self.versions[token]["password"])]

        self.scene.call("vault", "write", move, changed, secret=self.scene.secret)


@dataclass
class Database:
    """A real PostgreSQL, and what PyGreSQL offers of it."""

    host: str
    port: int
    trusted: ssl.SSLContext
    loop: asyncio.AbstractEventLoop
    scene: Scene = field(init=False)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    """User and password, each that is known: the server is asked which it accepts."""

    def accepted(self) -> set[str]:
        """Return the passwords that sign their user in."""
        return {password for user, password in sorted(self.pairs) if self._signs_in(user, password)}

    def _signs_in(self, user: str, password: str) -> bool:
        try:
            self.loop.run_until_complete(self._closed(user, password))
        except asyncpg.PostgresError:
            return False
        return True

    async def _closed(self, user: str, password: str) -> None:
        await (await self._open(user, password)).close()

    async def _open(self, user: str, password: str) -> Any:
        return await asyncpg.connect(
            host=self.host,
            port=self.port,
            user=user,
            password=password,
            database="postgres",
            ssl=self.trusted,
        )

    def connect(self, **request: Any) -> Connection:
        """Connect as pgdb does; raises PgError where the server refuses that."""
        scene, user, password = self.scene, request["user"], request["password"]
        name = scene.ids.get(password)
        if name:
            self.pairs.add((user, password))

        def opened() -> Any:
            try:
                return self.loop.run_until_complete(self._open(user, password))
            except asyncpg.PostgresError:
                return None

        raw = scene.call(
            "source",
            "prove",
            opened,
            shown=lambda it: {"accepted": it is not None, "refused": it is None},
            source=scene.source,
            credential=name,
        )
        if raw is None:
            raise PgError(f'FATAL: password authentication failed for user "{user}"')
        return Connection(self, raw)


@dataclass
class Connection:
    """A connection with a transaction that ends with `commit`."""

    database: Database
    raw: Any
    rows: list[Any] = field(default_factory=list)
    transaction: Any = None

    def _run(self, coroutine: Any) -> Any:
        return self.database.loop.run_until_complete(coroutine)

    def cursor(self) -> Self:
        """Return something to execute statements with."""
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del kind, error, trace

    def execute(self, statement: str, values: Sequence[str] = ()) -> None:
        """Execute one statement, with values where it says %s."""
        texts = tuple("'" + value.replace("'", "''") + "'" for value in values)

        def executed() -> list[Any]:
            if self.transaction is None:
                self.transaction = self.raw.transaction()
                self._run(self.transaction.start())
            rows: list[Any] = self._run(self.raw.fetch(statement % texts if texts else statement))
            return rows

        what = " ".join(statement.split()[:2]).lower()
        scene = self.database.scene
        self.rows = scene.call("source", what, executed, source=scene.source)

    def fetchone(self) -> Any:
        """Return the first row."""
        return self.rows[0]

    def fetchall(self) -> list[Any]:
        """Return every row."""
        return self.rows

    def commit(self) -> None:
        """Commit: what was executed takes effect."""
        scene, transaction = self.database.scene, self.transaction
        if transaction is None:
            return
        self.transaction = None
        scene.call(
            "source",
            "commit",
            lambda: self._run(transaction.commit()),
            scene.differs,
            source=scene.source,
        )

    def close(self) -> None:
        """Close, and roll back what was not committed."""
        self._run(self.raw.close())


def modules(manager: SecretsManager, database: Database) -> Mapping[str, ModuleType]:
    """Return what stands in for the modules that a function imports."""
    boto3, pg, pgdb = (ModuleType(name) for name in ("boto3", "pg", "pgdb"))
    boto3.client = lambda *_, **__: manager  # type: ignore[attr-defined]
    pg.InternalError = PgError  # type: ignore[attr-defined]
    pgdb.connect = database.connect  # type: ignore[attr-defined]
    return {"boto3": boto3, "pg": pg, "pgdb": pgdb}
