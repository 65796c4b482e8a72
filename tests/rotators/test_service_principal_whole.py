"""An application's credentials over real sockets, in whole rotations, and in the log."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from azure.core.pipeline.transport import AioHttpTransport

from cloud.azure import Azure
from engine.contract import Job
from engine.secret import Sensitive
from rotators.service_principal_certificate import ServicePrincipalCertificate
from rotators.service_principal_secret import ServicePrincipalSecret
from simulator.azure import build_world
from simulator.clock import VirtualClock
from simulator.faults import Fault
from simulator.reach.names import resolve_localhost
from simulator.reach.server import serve
from simulator.reach.transport import SimulatedCredential
from simulator.wire import Request, json_response
from simulator.world import Domains
from tests.shared.application_rig import OWNED_BY
from tests.shared.certificate_rig import CERTIFICATE_ACTIONS, CertificateRig
from tests.shared.certificate_rig import NAME as CERTIFICATE
from tests.shared.delivery import Delivery
from tests.shared.graph_rig import NAME as SECRET
from tests.shared.graph_rig import GraphRig, days
from tests.shared.promises import Ear
from tests.shared.rig import OPERATION, VAULT_ACTIONS, Rig, RigClock

# The HTTP client of production takes every option that it is given.


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


# Whole rotations, from the sweep to the vault.


async def sweep(rig: Rig) -> None:
    await rig.service().sweep_vault(f'{{"vault": "{rig.vault.url}"}}')
    await Delivery(rig, rig.service).run()


async def test_another_cloud_is_asked_where_the_settings_say() -> None:
    rig = GraphRig()
    rig.managed()
    rig.world.domains = Domains(graph="graph.microsoft.us", login="login.microsoftonline.us")
    rig.environment = {
        "REKEY_GRAPH_ENDPOINT": "https://graph.microsoft.us",
        "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us",
        "AZURE_TENANT_ID": rig.app.tenant,
    }
    await sweep(rig)
    assert rig.latest(SECRET).value == rig.alive()[-1].secret != rig.first.secret


async def test_a_certificate_and_a_secret_of_one_application_do_not_exclude_each_other() -> None:
    rig = CertificateRig()
    password = rig.directory.add_password(rig.app, "by hand")
    rig.managed(value=rig.pair.pfx)
    tags = {"ProviderAddress": rig.app.app_id, "CredentialId": password.key_id}
    soon = rig.clock.now() + days(5)
    rig.vault.put(SECRET, password.secret, expires=soon, tags={**tags, "ValidityPeriodDays": "90"})
    await sweep(rig)
    assert rig.latest(SECRET).value != password.secret
    assert rig.holds(rig.latest(CERTIFICATE).value) == rig.alive()[-1].der != rig.first.der


async def test_what_a_secret_held_before_it_became_a_client_secret_is_removed_after_its_overlap() -> (
    None
):
    """Its owner has taken the tag Rotator away, and written a client secret."""
    rig = CertificateRig()
    superseded = rig.managed()
    await sweep(rig)
    password = rig.directory.add_password(rig.app, "by hand")
    theirs = {tag: text for tag, text in rig.tags(CERTIFICATE).items() if "Rekey" not in tag}
    tags = {**theirs, "CredentialId": password.key_id}
    del tags["Rotator"]
    soon = rig.clock.now() + days(38)
    rig.vault.put(CERTIFICATE, password.secret, expires=soon, tags=tags)
    for _ in range(9):
        rig.clock.advance(86_400)
        await sweep(rig)
    assert not rig.accepts(superseded.value)
    assert "RekeyState" not in rig.tags(CERTIFICATE)
    assert rig.latest(CERTIFICATE).value not in (password.secret, "")
    assert rig.latest(CERTIFICATE).value in [it.secret for it in rig.app.passwords(rig.clock.now())]


@pytest.mark.parametrize("since", [False, True], ids=["one version", "all that is older"])
async def test_what_replaces_a_leaked_certificate_was_not_in_the_vault_before(
    *, since: bool
) -> None:
    """Key Vault has made a pair for a rotation that could not publish it."""
    rig = CertificateRig()
    leaked = rig.managed()
    refused = json_response(403, {"error": {"code": "Forbidden", "message": "no"}})
    rig.world.faults.append(Fault(_writes_the_secret, refused, times=100))
    await sweep(rig)
    rig.world.faults.clear()
    before = rig.made()
    assert len(before) == 2
    rig.clock.advance(3600)
    now = rig.clock.now().isoformat()
    leak = {"compromised": True, "force": True, "reported": now, "since": now if since else ""}
    item = rig.item(CERTIFICATE, trigger="manual", version=leaked.version, **leak)
    await rig.service().rotate(item.to_json(), 1)
    await Delivery(rig, rig.service).run()
    assert not rig.accepts(leaked.value)
    (replacement,) = rig.vault.versions(CERTIFICATE)[1:]
    assert replacement.value not in before
    assert rig.accepts(replacement.value)


def _writes_the_secret(request: Request) -> bool:
    return request.method == "PUT" and f"/secrets/{CERTIFICATE}" in request.path


# No secret leaves the rotator by any way but its return value.


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Listen to the root logger and all of Azure's at DEBUG."""
    loggers, handler = [logging.getLogger(name) for name in ("", "azure", "aiohttp", "msal")], Ear()
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    loggers[0].addHandler(handler)
    logging.getLogger("azure.core").debug("the ear hears")
    yield handler
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


async def test_neither_a_key_nor_an_assertion_of_a_certificate_is_logged(ear: Ear) -> None:
    rig = CertificateRig()
    rotator = rig.rotator()
    issued = await rotator.issue(rig.job())
    value = issued.fields["certificate"]
    await rotator.verify(rig.source, issued.credential_id, value)
    await rotator.retire(rig.source, rig.first.key_id, value)
    heard = "\n".join([*ear.heard, repr(issued), repr(vars(rotator))])
    forms = [parse_qs(exchange.request.body.decode()) for exchange in rig.world.exchanges]
    assertions = {text for form in forms for text in form.get("client_assertion", ())}
    assert len(assertions) == 2
    assert "the ear hears" in heard
    for secret in (*rig.planted(), value.reveal(), *assertions):
        assert secret not in heard
