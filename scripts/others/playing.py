"""Play a rotation function of AWS under faults, and hold each history against the promises."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from scripts.history.promises import Promises
from scripts.others.scene import DAY, MODES, SECRET, Died, Mode, Scene
from scripts.others.services import MASTER, Database, SecretsManager, modules
from tests.postgresql import SECRET as PASSWORD
from tests.postgresql import SUPERUSER, PostgreSql

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
TRIES, WAIT = 5, 60.0
"""Secrets Manager tries a rotation again. AWS does not say when: a minute is a favourable guess."""
TWO = {"app_clone": "0f-last-month", "app": "0f-this-month"}


@dataclass
class Counted:
    """How many histories of one rotator there are, and how many break each promise."""

    name: str
    histories: int = 0
    refused: int = 0
    """In so many the source refused what is current when another try began."""
    broken: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    written: dict[str, list[str]] = field(default_factory=dict)

    def add(self, run: str, lines: list[str]) -> None:
        """Check one history, and count it."""
        self.histories += 1
        self.written[run] = lines
        promises = Promises()
        refused = False
        for line in map(json.loads, lines):
            promises.read(line)
            refused = refused or (line["do"] == "start" and bool(promises.refused()))
        self.refused += refused
        problems = list(promises.broken)
        for promise in sorted({text[:2] for text in problems}):
            self.broken[promise] += 1
            self.examples.setdefault(
                promise, f"{run}: {next(it for it in problems if it.startswith(promise))}"
            )


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
        scene.begin(run, self.holds, dict(zip(names, words, strict=True)))
        with self._loaded(manager) as handler:
            for month in (1, 2):
                self._rotate(scene, manager, handler, month)
                scene.now = (month * 30 if month == 1 else 31) * DAY
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
        asked = {"what": "rotate", "secret": SECRET, "version": manager.current()}
        scene.say("message", m=month, **asked)
        for tried in range(TRIES):
            scene.process += 1
            scene.say("start", p=scene.process, m=month, tries=tried + 1, **asked)
            if self._succeeds(scene, handler, token):
                shows = self._heard(scene)
                said = {"secret": SECRET, "says": "rotated", "published": token, "shows": shows}
                scene.say("report", p=scene.process, **said)
                scene.say("done", p=scene.process)
                return
            scene.say("fault")
            scene.now += WAIT
        why = {"secret": SECRET, "says": "needs a person", "why": "RotationFailed"}
        scene.process += 1
        scene.say("start", p=scene.process, m=month, **asked)
        scene.say("report", p=scene.process, unmarked=True, shows=self._heard(scene), **why)
        scene.say("done", p=scene.process)

    def _heard(self, scene: Scene) -> bool:
        return any(password in text for text in self.ear.heard for password in scene.ids)

    def _succeeds(self, scene: Scene, handler: Any, token: str) -> bool:
        event = {"SecretId": SECRET, "ClientRequestToken": token}
        try:
            for step in STEPS:
                for _ in range(2 if step == self.doubled else 1):
                    handler({**event, "Step": step}, None)
        except Died:
            scene.say("crash", p=scene.process)
            return False
        except Exception as error:  # noqa: BLE001 - it fails with whatever it likes
            scene.say("failed", p=scene.process, error=type(error).__name__)
            return False
        return True


def play(name: str, code: CodeType, server: PostgreSql, holds: str) -> Counted:
    """Play one function: without faults, with one at each call, and with each event twice."""
    counted, trusted = Counted(name), ssl.create_default_context(cafile=str(server.authority))
    loop = asyncio.new_event_loop()
    try:
        database = Database("localhost", int(server.server.partition(":")[2]), trusted, loop)
        whole = Stage(code, server, database, holds).play(name)
        counted.add(name, whole.lines)
        calls = next(at for at, text in enumerate(whole.lines) if '"do": "done"' in text)
        first = sum('"do": "call"' in text for text in whole.lines[:calls])
        changing = {json.loads(it).get("call") for it in whole.lines if '"applied"' in it}
        for at in range(first):
            # Where nothing changes, dying before a call and after it are the same.
            for mode in MODES if at + 1 in changing else (MODES[0], MODES[2]):
                run = f"{name}@{at}:{mode}"
                counted.add(run, Stage(code, server, database, holds, {at: mode}).play(run).lines)
        for step in STEPS:
            run = f"{name}, {step} twice"
            stage = Stage(code, server, database, holds, doubled=step)
            counted.add(run, stage.play(run).lines)
    finally:
        loop.close()
    return counted
