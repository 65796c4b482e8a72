"""What a template made, as the world's services have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.arm.deployments.ids import place_of
from simulator.arm.deployments.refusals.app import settings_of
from simulator.arm.deployments.tenant import IDENTITY, Resource
from simulator.storage.blobs import BlobService
from simulator.storage.queues import QueueService
from simulator.storage.service import Call
from simulator.wire import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.account.world import Account
    from simulator.arm.web import Site

ACCOUNT = "Microsoft.Storage/storageAccounts"
QUEUE = f"{ACCOUNT}/queueServices/queues"
CONTAINER = f"{ACCOUNT}/blobServices/containers"
SITE = "Microsoft.Web/sites"
TOPIC = "Microsoft.EventGrid/systemTopics"


def adopt(world: Account) -> None:
    """Let the world's services have every resource that they do not have yet."""
    for account in _new(world, ACCOUNT, {known.resource_id for known in world.accounts.values()}):
        _account(world, account)
    for queue in world.tenant.of_kind(QUEUE):
        _queue(world, queue)
    for container in world.tenant.of_kind(CONTAINER):
        _container(world, container)
    known = {principal.oid for principal in world.managed_identity.assigned}
    for identity in world.tenant.of_kind(IDENTITY):
        if identity.added["principalId"] not in known:
            _identity(world, identity)
    for topic in _new(world, TOPIC, set(world.event_grid.topics)):
        made = world.event_grid.add(topic.id, topic.properties["source"])
        made.tags = dict(topic.body.get("tags", {}))
    for site in world.tenant.of_kind(SITE):
        _site(world, site)


def _new(world: Account, kind: str, known: set[str]) -> Iterator[Resource]:
    there = {resource_id.lower() for resource_id in known}
    yield from (
        resource for resource in world.tenant.of_kind(kind) if resource.id.lower() not in there
    )


def _account(world: Account, resource: Resource) -> None:
    place = place_of(resource.id)
    made = world.add_account(
        resource.id.rpartition("/")[2],
        place.subscription,
        place.group,
        allow_shared_key_access=resource.properties.get("allowSharedKeyAccess", True),
    )
    made.tags = dict(resource.body.get("tags", {}))


def _queue(world: Account, resource: Resource) -> None:
    service = next(known for known in world.services if isinstance(known, QueueService))
    account, name = _names(resource)
    service.queues.create(account, name, {}, world.now())


def _container(world: Account, resource: Resource) -> None:
    service = next(known for known in world.services if isinstance(known, BlobService))
    account, name = _names(resource)
    if name not in service.containers.names(account):
        call = Call(Request("PUT", ""), world.accounts[account], name, world.now())
        service.containers.create(call, {})


def _names(resource: Resource) -> tuple[str, str]:
    account = resource.id.partition("/storageAccounts/")[2].partition("/")[0]
    return account, resource.id.rpartition("/")[2]


def _identity(world: Account, resource: Resource) -> None:
    name = resource.id.rpartition("/")[2]
    made = world.add_principal(name, resource.added["principalId"], resource.added["clientId"])
    world.managed_identity.assigned.append(made)


def _site(world: Account, resource: Resource) -> Site:
    site = world.web.sites.get(resource.id.lower()) or world.web.add(resource.id)
    site.plain = settings_of(resource)
    site.host = world.domains.of_resource(f"{site.name}.azurewebsites.net")
    name, _, rest = site.host.partition(".")
    site.service = f"{name}.scm.{rest}"
    return site
