"""Replays docs/cli.md: every command on it is run, one after the other, in one small world.

`python -m tests.cli.page` renews it. Ids that are random in a run are written as the page has them:
the first one always as the same id, and so on.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import md5
from pathlib import Path

from simulator.azure import SUBSCRIPTION
from simulator.telemetry.logs import RIGHT as QUERY
from simulator.telemetry.vault_logs import Audited
from tests.cli.desk import Desk
from tests.shared.delivery import Delivery
from tests.shared.policies import EMPTY, OWN

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
BLOCK = re.compile(r"(?<=```console\n)(\$ rekey .*)\n(?:(?!```).*\n)*")
RANDOM = re.compile(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@dataclass
class Names:
    """What a run's ids are called on the page."""

    kept: frozenset[str]
    """Ids that are the same in every run."""
    given: dict[str, str] = field(default_factory=dict)

    def shown(self, text: str) -> str:
        return RANDOM.sub(lambda match: self._name(match[0]), text)

    def meant(self, text: str) -> str:
        back = {name: real for real, name in self.given.items()}
        return RANDOM.sub(lambda match: back.get(match[0], match[0]), text)

    def _name(self, real: str) -> str:
        if real in self.kept:
            return real
        made = md5(str(len(self.given)).encode(), usedforsecurity=False).hexdigest()
        return self.given.setdefault(real, str(uuid.UUID(made)) if "-" in real else made)


def scene() -> Desk:
    """Return the world of the page: a team's vault on an ordinary day."""
    desk = Desk(policy=True)
    desk.world.grant(desk.ada, ("Microsoft.KeyVault/vaults/read",), desk.group)
    desk.vault.put(OWN.name, f"{EMPTY}defaults:\n  owner: platform\ntagsMayOverride: [owner]\n")
    for name, days, tags in (
        ("orders", 45, {"Owner": "team-orders"}),
        ("billing", 31, {"Owner": "team-billing"}),
        ("search", 40, {"ValidityPeriodDays": "ninety"}),
    ):
        desk.secret(f"{name}-storage", desk.account(name), days_left=days, tags=tags)
    legacy = desk.account("legacy")
    desk.vault.put("legacy-key", legacy.keys["key2"].value)
    desk.world.sql.add_server("shop", "sqladmin", "F1rst-password-nobody-uses")
    application = desk.world.add_application("invoices", desk.ada)
    desk.world.directory.add_password(application, "by hand")
    desk.clock.advance(2 * 86_400)
    _logged(desk)
    return desk


def _logged(desk: Desk) -> None:
    """Let a workspace have the vault's audit log: an application has read one secret."""
    workspace = desk.world.add_log_workspace("central")
    desk.world.grant(desk.ada, (f"{QUERY}/*",), workspace.resource_id)
    version = desk.latest("billing-storage")
    event = Audited(
        desk.clock.now() - timedelta(hours=5),
        "SecretGet",
        200,
        f"{desk.vault.url}/secrets/billing-storage/{version.version}",
        f"{desk.vault.url}/secrets/billing-storage/?api-version=7.4",
        f"{desk.group}/providers/Microsoft.Web/sites/invoices",
    )
    workspace.audited["AZKVAuditLogs"] = [event]


@contextmanager
def _typed(desk: Desk, file: str) -> Iterator[None]:
    """Let standard input be the report of a scanner that has found a key of this world."""
    report = [{"Secret": desk.latest("orders-storage").value, "File": ".env", "StartLine": 3}]
    before, sys.stdin = sys.stdin, io.StringIO(json.dumps(report) if file else "")
    try:
        yield
    finally:
        sys.stdin = before


def replayed(page: str) -> str:
    """Return the page with every command's output as it is today."""
    desk = scene()
    people = {
        id_
        for principal in desk.world.identities.principals.values()
        for id_ in (principal.oid, principal.appid)
    }
    names = Names(frozenset({SUBSCRIPTION, *people, *desk.world.logs.workspaces}))

    def run(match: re.Match[str]) -> str:
        words, _, file = names.meant(match[1]).partition(" < ")
        with _typed(desk, file):
            ran = desk.run(*shlex.split(words)[2:], while_waiting=Delivery(desk, desk.service).run)
        desk.clock.advance(60)
        shown = f"{ran.out}{ran.err}".replace("\r\n", "\n")
        return f"{match[1]}\n" + names.shown(f"{shown}[exit code {int(ran.code)}]\n")

    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("policy.yaml").write_text(_file(page))
        Path("infra").mkdir()
        Path("infra", "main.bicep").touch()
        try:
            return BLOCK.sub(run, page)
        finally:
            os.chdir(before)


def _file(page: str) -> str:
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    return str(text)


if __name__ == "__main__":
    PAGE.write_text(replayed(PAGE.read_text()))
