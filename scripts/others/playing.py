"""Play a rotation function of AWS under faults."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from scripts.others.counting import Counted, faults
from scripts.others.scene import DAY, MONTH, Mode, Scene
from scripts.others.services import MASTER, Database, SecretsManager, modules
from tests.postgresql import SECRET as PASSWORD
from tests.postgresql import SUPERUSER, PostgreSql

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
TWO = {"app_clone": "0f-last-month", "app": "0f-this-month"}
OVERLAP = {"one": 0.0, "two": 29 * 24.0}
"""By how many credentials the source holds: for how many hours the superseded one is to work."""


class Ear(logging.Handler):
    """Hears what a function logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        self.heard.append(record.getMessage())


@dataclass
class Stage:
    """One history of one function."""

    code: CodeType
    server: PostgreSql
    database: Database
    holds: str
    plan: Mapping[int, Mode] = field(default_factory=dict)
    doubled: str = ""
    """The step whose event comes twice."""
    ear: Ear = field(default_factory=Ear)

    def play(self, run: str) -> Scene:
        """Rotate under the plan's faults, and a month later without any."""
        users = TWO if self.holds == "two" else {"app": TWO["app"]}
        self.server.sql(*(f"ALTER USER {user} PASSWORD '{word}'" for user, word in users.items()))
        self.database.pairs = set(users.items())
        scene = self.database.scene = Scene(self.database.accepted, self.plan)
        where = {"engine": "postgres", "host": "localhost", "port": self.database.port, "ssl": True}
        master = {**where, "username": SUPERUSER, "password": PASSWORD}
        values = {
            f"v{at}": {**where, "username": user, "password": word, "masterarn": MASTER}
            for at, (user, word) in enumerate(users.items(), start=1 - len(users) + 1)
        }
        names, words = [*values], [*users.values()]
        stages = {name: {"AWSPREVIOUS"} for name in names[:-1]} | {names[-1]: {"AWSCURRENT"}}
        manager = SecretsManager(scene, values, stages, master)
        held = dict(zip(names, words, strict=True))
        scene.begin(run, self.holds, held, OVERLAP[self.holds])
        with self._loaded(manager) as handler:
            for month in (1, 2):
                self._rotate(scene, manager, handler, month)
                scene.now = month * MONTH if month == 1 else MONTH + DAY
                self.doubled = ""
        scene.say("end")
        return scene

    @contextmanager
    def _loaded(self, manager: SecretsManager) -> Iterator[Any]:
        """Run the function's module in place, and yield its handler."""
        stand_ins, root = modules(manager, self.database), logging.getLogger()
        before = {name: sys.modules.get(name) for name in stand_ins}
        level, disabled = root.level, logging.root.manager.disable
        os.environ["SECRETS_MANAGER_ENDPOINT"] = "https://secretsmanager.invalid"
        sys.modules.update(stand_ins)
        logging.disable(logging.NOTSET)
        root.addHandler(self.ear)
        try:
            module: dict[str, Any] = {"__name__": "lambda_function"}
            exec(self.code, module)  # noqa: S102 - pinned by its digest
            yield module["lambda_handler"]
        finally:
            root.removeHandler(self.ear)
            root.setLevel(level)
            logging.disable(disabled)
            for name, known in before.items():
                sys.modules.pop(name)
                sys.modules.update({name: known} if known else {})

    def _rotate(self, scene: Scene, manager: SecretsManager, handler: Any, month: int) -> None:
        """Ask for one rotation; Secrets Manager goes on with one that is pending."""
        pending = [it for it, stages in manager.stages.items() if "AWSPENDING" in stages]
        token = pending[0] if pending else f"v{month + 1}"
        manager.stages.setdefault(token, set()).add("AWSPENDING")

        def attempt(_: int) -> list[str]:
            for step in STEPS:
                event = {"SecretId": scene.secret, "ClientRequestToken": token, "Step": step}
                for _ in range(2 if step == self.doubled else 1):
                    handler(event, None)
            return [token]

        def shows() -> bool:
            return any(password in text for text in self.ear.heard for password in scene.ids)

        scene.rotate(month, manager.current(), attempt, shows)


def play(name: str, code: CodeType, server: PostgreSql, holds: str) -> Counted:
    """Play one function: without faults, with one at each call, and with each event twice."""
    without = {"P4": "does not apply"} if holds == "one" else {}
    counted, trusted = Counted(name, without), ssl.create_default_context(cafile=server.authority)
    loop = asyncio.new_event_loop()
    try:
        database = Database("localhost", int(server.server.partition(":")[2]), trusted, loop)
        whole = Stage(code, server, database, holds).play(name)
        counted.add(name, whole.lines)
        for at, mode in faults(whole.lines):
            run = f"{name}@{at}:{mode}"
            counted.add(run, Stage(code, server, database, holds, {at: mode}).play(run).lines)
        for step in STEPS:
            run = f"{name}, {step} twice"
            stage = Stage(code, server, database, holds, doubled=step)
            counted.add(run, stage.play(run).lines)
    finally:
        loop.close()
    return counted
