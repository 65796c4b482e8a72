"""A secret that apps use: an App Service app and a Container App, named in the policy document."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from engine.state.request import Task
from engine.state.sweep_order import SweepOrder
from simulator.arm.container_apps import ContainerApp
from simulator.arm.web import Site
from simulator.clock import VirtualClock
from simulator.webhooks import SLACK, TEAMS
from simulator.wire import Request
from tests.shared.delivery import Delivery
from tests.shared.items import task_of
from tests.shared.policies import PolicyRig
from tests.shared.rig import Rig
from tests.shared.scene import NAME

SITE_ACTIONS = tuple(
    f"Microsoft.Web/sites/{slot}config/appsettings/{action}"
    for slot in ("", "slots/")
    for action in ("read", "refresh/action")
)
CONTAINER_ACTIONS = tuple(
    f"Microsoft.App/containerApps/{action}" for action in ("read", "write", "revisions/read")
)
GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/production"
SHOP, WORKER = (
    f"{GROUP}/providers/Microsoft.Web/sites/shop",
    f"{GROUP}/providers/Microsoft.App/containerApps/worker",
)

REFERENCE = f"@Microsoft.KeyVault(SecretUri=https://prod.vault.azure.net/secrets/{NAME})"
DAY = 86_400
TEAMS_URL = f"https://{TEAMS}/powerautomate/automations/direct/workflows/1/triggers/manual/paths/invoke?sig=hush-teams"
SLACK_URL = f"https://{SLACK}/services/T00/B00/hush-slack"
HOOKS = """notifications:
  - {kind: teams, webhookSecret: chat-all}
  - {owner: shop, kind: slack, webhookSecret: chat-shop}
"""


class Consuming(PolicyRig):
    """A rig with one due secret, and the apps that the document names for it."""

    def __init__(
        self,
        *resources: str,
        match: str = NAME,
        further: str = "",
        grace: int = 0,
        clock: VirtualClock | None = None,
        **options: Any,
    ) -> None:
        super().__init__(clock or VirtualClock())
        self.secret(NAME, self.account("appdata"), **options)
        named = (
            f"consumers:\n  - match: {{secret: '{match}'}}\n    resources: {list(resources)}\n"
            f"    graceSeconds: {grace}\n"
            if resources
            else ""
        )
        self.push(f"version: 1\n{named}{further}")

    def site(
        self, resource: str = SHOP, actions: Sequence[str] = SITE_ACTIONS, **settings: str
    ) -> Site:
        """Add an app that the product may refresh.

        By itself it has one setting, which refers to the secret.
        """
        self.world.grant(self.identity, actions, resource)
        return self.world.web.add(resource, **(settings or {"KEY": REFERENCE}))

    def container(
        self, resource: str = WORKER, actions: Sequence[str] = CONTAINER_ACTIONS, **secrets: str
    ) -> ContainerApp:
        """Add a Container App that the product may change."""
        self.world.grant(self.identity, actions, resource)
        return self.world.container_apps.add(
            resource, **(secrets or {"key": f"{self.vault.url}/secrets/{NAME}"})
        )

    async def rotate(self, **fields: Any) -> None:
        """Rotate the secret, and do all that comes of it."""
        await self.service().engine.queue.post_rotation(
            self.item(NAME, **({"trigger": "event"} | fields))
        )
        await self.deliver()

    async def task(self, action: Task, **fields: Any) -> None:
        """Post a task that follows a rotation, and do all that comes of it."""
        ref = self.item(NAME).ref
        await self.service().engine.queue.post_rotation(task_of(ref, action, **fields))
        await self.deliver()

    async def deliver(self) -> None:
        """Deliver all messages, those in the future too."""
        await Delivery(self, self.service).run()

    async def try_to_retire(self) -> None:
        """Ask once, as a sweep does, for what is superseded to be retired."""
        await self.service().rotate(self.item(NAME, action="retire", trigger="sweep").to_json(), 1)


def to_chat(request: Request) -> bool:
    return request.host in (TEAMS, SLACK)


async def remind(clock: VirtualClock | None = None) -> Rig:
    """Sweep a vault without a policy document, in the hour in which a manual secret falls due."""
    rig = Rig(clock or VirtualClock())
    rig.secret(NAME, rig.account("appdata"), days_left=30.0, tags={"Manual": "true"})
    rig.clock.advance(60)
    await rig.service().sweep_vault(
        SweepOrder.by_schedule(rig.vault.url, {}, rig.clock.now()).to_json()
    )
    await Delivery(rig, rig.service).run()
    return rig


def results(records: Sequence[logging.LogRecord]) -> list[dict[str, Any]]:
    entries = [json.loads(record.message) for record in records if record.name == "rekey.audit"]
    return [entry for entry in entries if "action" in entry]


def ended(records: Sequence[logging.LogRecord], action: str) -> list[str]:
    """Return how work items with an action ended."""
    return [entry["result"] for entry in results(records) if entry["action"] == action]
