"""Apps of whose use Azure's answer says nothing: they are looked at again, and never taken for done."""

from __future__ import annotations

import pytest

from cloud.follow_up.apps import AzureApps
from engine.errors import NeedsHuman, TransientError
from engine.secret import Version
from simulator.faults import Fault
from simulator.wire import Request, Response, json_response
from tests.shared.consuming import SHOP, WORKER, Consuming
from tests.shared.scene import NAME

SITE, CONTAINER = SHOP.lower(), WORKER.lower()

SILENT = [Response(200), *(json_response(200, body) for body in ({}, {"properties": None}))]
EVERY = pytest.mark.parametrize("answer", SILENT, ids=lambda answer: answer.body.decode())


def apps_of(rig: Consuming) -> AzureApps:
    return AzureApps(rig.azure())


async def current(rig: Consuming) -> Version:
    return await rig.service().engine.vaults.read(rig.item(NAME).ref)


def to_app(request: Request) -> bool:
    return request.path == CONTAINER and request.method == "GET"


def to_revision(request: Request) -> bool:
    return "/revisions/" in request.path


@EVERY
async def test_a_site_that_lists_nothing_may_use_the_secret_all_the_same(answer: Response) -> None:
    rig = Consuming(SHOP)
    rig.site()
    secret = await current(rig)
    rig.world.faults.append(Fault(lambda request: SITE in request.path, answer, times=2))
    with pytest.raises(TransientError, match="list"):
        await apps_of(rig).refresh(SITE, secret, ask=True)
    with pytest.raises(TransientError, match="list"):
        await apps_of(rig).lags(SITE, secret)


@EVERY
async def test_a_revision_without_a_state_is_not_one_that_runs(answer: Response) -> None:
    rig = Consuming(WORKER)
    rig.container()
    secret, apps = await current(rig), apps_of(rig)
    await apps.refresh(CONTAINER, secret, ask=True)
    rig.world.faults.append(Fault(to_revision, answer))
    assert not await apps.refresh(CONTAINER, secret, ask=False)
    assert await apps.refresh(CONTAINER, secret, ask=False)


@EVERY
async def test_a_container_app_without_properties_may_refer_to_the_secret(answer: Response) -> None:
    rig = Consuming(WORKER)
    rig.container()
    rig.world.faults.append(Fault(to_app, answer))
    with pytest.raises(TransientError):
        await apps_of(rig).refresh(CONTAINER, await current(rig), ask=True)


@EVERY
async def test_a_failed_revision_is_told_of_once_it_is_known_that_no_later_one_is_ready(
    answer: Response,
) -> None:
    rig = Consuming(WORKER)
    rig.container().state = "Failed"
    secret, apps = await current(rig), apps_of(rig)
    await apps.refresh(CONTAINER, secret, ask=True)
    rig.world.faults.append(Fault(to_app, answer))
    with pytest.raises(TransientError):
        await apps.refresh(CONTAINER, secret, ask=False)
    with pytest.raises(NeedsHuman, match="failed to start"):
        await apps.refresh(CONTAINER, secret, ask=False)


@pytest.mark.parametrize(
    "body", [{"value": ["text"]}, {"value": [{"properties": "text"}]}], ids=str
)
async def test_a_list_of_what_are_no_references_stops_no_other_app(body: object) -> None:
    rig = Consuming(SHOP)
    rig.site()
    secret = await current(rig)
    rig.world.faults.append(Fault(lambda request: SITE in request.path, json_response(200, body)))
    with pytest.raises(TransientError, match="nonsense"):
        await apps_of(rig).refresh(SITE, secret, ask=True)


async def test_a_site_that_is_gone_is_named_in_the_form_of_its_provider() -> None:
    rig = Consuming(SHOP)
    rig.site()
    body = {"Code": "NotFound", "Message": "Cannot find WebSite.", "Target": None}
    rig.world.faults.append(Fault(lambda request: SITE in request.path, json_response(404, body)))
    with pytest.raises(NeedsHuman):
        await apps_of(rig).refresh(SITE, await current(rig), ask=True)


def reference(vault: str, status: str) -> dict[str, object]:
    about = {"vaultName": vault, "secretName": NAME, "status": status}
    return {"name": f"KEY_OF_{vault}", "properties": about}


async def test_a_secret_of_another_vault_with_the_same_name_is_another_secret() -> None:
    rig = Consuming(SHOP)
    rig.site()
    rows = [reference("other", "SecretNotFound"), reference("prod", "Resolved")]
    answer = json_response(200, {"value": rows})
    rig.world.faults.append(Fault(lambda request: SITE in request.path, answer))
    assert not await apps_of(rig).lags(SITE, await current(rig))
