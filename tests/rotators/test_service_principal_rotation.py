"""Whole rotations of an application's credentials, from the sweep to the vault."""

from __future__ import annotations

from simulator.world import Domains
from tests.shared.certificate_rig import NAME as CERTIFICATE
from tests.shared.certificate_rig import CertificateRig
from tests.shared.delivery import Delivery
from tests.shared.graph_rig import NAME as SECRET
from tests.shared.graph_rig import GraphRig, days
from tests.shared.rig import Rig


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
