"""What else happens to the app: for what arrives, whatever it means to an alert."""

from __future__ import annotations

import json
from contextlib import suppress

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from engine.errors import RekeyError
from engine.service import MAX_TRIES
from tests.cloud.storage.watching import dead_letter, left_over, queues
from tests.infra.alerts.stage import DAY, Stage
from tests.shared.consuming import HOOKS, SHOP, TEAMS_URL, Consuming, remind, to_chat
from tests.shared.graph_rig import NAME as APPLICATION
from tests.shared.graph_rig import GraphRig
from tests.shared.rig import CONNECTION_STRING, Rig
from tests.shared.scene import NAME as SECRET
from tests.shared.scene import refuse
from tests.shared.sql_product import KINDS as SERVERS
from tests.shared.sql_product import NAME as PASSWORD
from tests.shared.sql_product import SqlProduct


async def lives_on(stage: Stage) -> None:
    """Come by event, be rotated, retired after the overlap, swept, and restored too late."""
    stage.secret(template=CONNECTION_STRING)
    stage.secret("idle", enabled=False)
    stage.secret("alien", tags={"ProviderAddress": None})
    await stage.sweep()
    await stage.rotate(trigger="event")
    await stage.wait(8 * DAY)
    await stage.rotate(action="retire", trigger="sweep")
    await stage.rotate(action="restore")
    await stage.sweep()


async def comes_by_event(stage: Stage) -> None:
    """Let the host take an event in, inside a span of its own, and deliver what that posts."""
    stage.secret()
    event = json.dumps(stage.rig.vault.near_expiry_event(SECRET))
    with trace.get_tracer("host").start_as_current_span("on_vault_event", kind=SpanKind.CONSUMER):
        await stage.rig.service().on_event(event)
    await stage.deliver()


async def is_restored(stage: Stage) -> None:
    stage.secret(tags={"RotateBeforeDays": "89"})
    await stage.rotate()
    await stage.wait(2 * DAY)
    await stage.rotate()
    await stage.rotate(action="restore")


async def is_an_administrators_password(stage: Stage) -> None:
    rig = SqlProduct(stage.clock)
    SERVERS["an administrator"].setup(rig)
    # The rig's own way to start leaves out the counting of calls.
    await Rig.service(rig).rotate(rig.item(PASSWORD).to_json(), 1)
    stage.values |= {version.value for version in rig.vault.versions(PASSWORD)}


async def is_an_application(stage: Stage) -> None:
    rig = GraphRig(stage.clock)
    rig.managed()
    await rig.service().rotate(rig.item(APPLICATION).to_json(), 1)
    stage.values |= {rig.first.secret} | {
        version.value for version in rig.vault.versions(APPLICATION)
    }


async def is_followed_by_errands(stage: Stage) -> None:
    """Refresh an app and tell its owner, at once, after a failure, and in vain; remind another."""
    rig = Consuming(SHOP, further=HOOKS, clock=stage.clock)
    rig.site().stuck = True
    rig.vault.put("chat-all", TEAMS_URL)
    refuse(rig, 503, "Busy", to_chat)
    await rig.rotate()
    rig.world.web.sites[SHOP.lower()].stuck = False
    await rig.task("refresh")
    await rig.task("tell", to="nobody")
    del rig.vault.secrets["chat-all"]
    await rig.task("tell")
    stage.values |= {version.value for version in rig.vault.versions(SECRET)}
    await remind(stage.clock)


async def is_swept_by_its_timer(stage: Stage) -> None:
    """Let the timer run, with messages on a poison queue and an undelivered event."""
    queues(stage.rig)
    left_over(stage.rig, "sweeps-poison")
    await dead_letter(stage.rig, "an-event")
    await stage.rig.service().sweep({}, past_due=False)


async def has_messages_given_up(stage: Stage) -> None:
    for take in (stage.rig.service().on_event, stage.rig.service().sweep_vault):
        with suppress(RekeyError):
            await take("nonsense", MAX_TRIES)
