"""The rotator over real sockets.

The HTTP client of production takes every option that it is given.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import pytest
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
from tests.shared.application_rig import OWNED_BY
from tests.shared.certificate_rig import CERTIFICATE_ACTIONS
from tests.shared.rig import OPERATION, VAULT_ACTIONS, RigClock


@pytest.mark.parametrize("kind", [ServicePrincipalSecret, ServicePrincipalCertificate])
async def test_a_credential_is_made_proven_and_removed_over_tls(
    kind: type[ServicePrincipalSecret | ServicePrincipalCertificate],
) -> None:
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
                rotator = kind(azure, RigClock(clock))
                job = Job(
                    source=kind.canonical(app.app_id, {"Rotator": kind.kind}) or "",
                    operation=OPERATION,
                    held_id=None,
                    held=Sensitive("what somebody wrote"),
                    proven=False,
                    in_place=False,
                    expires=clock.now() + timedelta(days=90),
                    vault=vault.url,
                )
                issued = await rotator.issue(job)
                value = issued.fields[kind.value_field]
                await rotator.verify(job.source, issued.credential_id, value)
                await rotator.preflight(job)
                held: list[Any] = [*app.passwords(clock()), *app.keys(clock())]
                assert [credential.key_id for credential in held] == [issued.credential_id]
                await rotator.tidy(job.source, OPERATION, keep=None)
                assert not [*app.passwords(clock()), *app.keys(clock())]
