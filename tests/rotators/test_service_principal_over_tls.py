"""The rotator over real sockets.

The HTTP client of production takes every option that it is given.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta

from azure.core.pipeline.transport import AioHttpTransport

from cloud.azure import Azure
from engine.contract import Job
from engine.secret import Sensitive
from rotators.service_principal_certificate import ServicePrincipalCertificate
from rotators.service_principal_secret import ServicePrincipalSecret
from simulator.azure import build_world
from simulator.clock import VirtualClock
from simulator.reach.names import resolve_localhost
from simulator.reach.server import serve
from simulator.reach.transport import SimulatedCredential
from tests.shared.application_rig import OPERATION, OWNED_BY
from tests.shared.certificate_rig import CERTIFICATE_ACTIONS
from tests.shared.rig import VAULT_ACTIONS, RigClock


async def test_a_secret_is_added_proven_and_removed_over_tls() -> None:
    clock = VirtualClock()
    async with serve(lambda domains: build_world(clock, domains)) as running:
        world, identity = running.world, running.world.add_principal("rekey")
        world.directory.grant(identity, OWNED_BY)
        app = world.add_application("orders", identity)
        with contextlib.ExitStack() as stack:
            stack.callback(resolve_localhost())
            async with AioHttpTransport(connection_verify=str(running.ca_file)) as transport:
                credential = SimulatedCredential(world, identity)
                azure = Azure(
                    credential,
                    options={"transport": transport},
                    graph_endpoint=running.environment["REKEY_GRAPH_ENDPOINT"],
                    authority=running.environment["AZURE_AUTHORITY_HOST"],
                )
                rotator = ServicePrincipalSecret(azure, RigClock(clock))
                job = Job(
                    source=app.app_id,
                    operation=OPERATION,
                    held_id=None,
                    held=Sensitive("what somebody wrote"),
                    proven=False,
                    in_place=False,
                    expires=clock.now() + timedelta(days=90),
                )
                issued = await rotator.issue(job)
                await rotator.verify(app.app_id, issued.credential_id, issued.fields["secret"])
                await rotator.preflight(job)
                assert [password.secret for password in app.passwords(clock())] == [
                    issued.fields["secret"].reveal()
                ]
                await rotator.tidy(app.app_id, OPERATION, keep=None)
                assert app.passwords(clock()) == []


async def test_a_key_pair_is_made_listed_and_proven_over_tls() -> None:
    clock = VirtualClock()
    async with serve(lambda domains: build_world(clock, domains)) as running:
        world, identity = running.world, running.world.add_principal("rekey")
        world.directory.grant(identity, OWNED_BY)
        app, vault = world.add_application("orders", identity), world.add_vault("prod")
        world.grant(identity, (*VAULT_ACTIONS, *CERTIFICATE_ACTIONS), vault.resource_id)
        with contextlib.ExitStack() as stack:
            stack.callback(resolve_localhost())
            async with AioHttpTransport(connection_verify=str(running.ca_file)) as transport:
                azure = Azure(
                    SimulatedCredential(world, identity),
                    options={"transport": transport},
                    graph_endpoint=running.environment["REKEY_GRAPH_ENDPOINT"],
                    authority=running.environment["AZURE_AUTHORITY_HOST"],
                )
                rotator = ServicePrincipalCertificate(azure, RigClock(clock))
                job = Job(
                    source=f"{app.app_id}/certificates",
                    operation=OPERATION,
                    held_id=None,
                    held=Sensitive("what somebody wrote"),
                    proven=False,
                    in_place=False,
                    expires=clock.now() + timedelta(days=90),
                    vault=vault.url,
                )
                issued = await rotator.issue(job)
                value = issued.fields["certificate"]
                await rotator.verify(job.source, issued.credential_id, value)
                assert [key.key_id for key in app.keys(clock())] == [issued.credential_id]
