"""Holds everything that a world has answered against the documents that describe it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from simulator_tests.openapi import Document, Operation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from simulator.world import Exchange, World


def violations(world: World, specs: Path) -> list[str]:
    """Return every way in which the world's answers so far break the published contracts."""
    return [
        problem
        for document, operation, exchange in _described(world, specs)
        for problem in document.problems(operation, exchange.response)
    ]


def exercised(world: World, specs: Path) -> set[tuple[str, int]]:
    """Return which operations were asked for, with the statuses of their answers."""
    return {
        (operation.operation_id, response.response.status)
        for _, operation, response in _described(world, specs)
    }


def _described(world: World, specs: Path) -> Iterator[tuple[Document, Operation, Exchange]]:
    secrets = Document(specs / "keyvault/secrets.json")
    storage = Document(specs / "storage/storage.json", "./common.json#/definitions/CloudError")
    for exchange in world.exchanges:
        host = exchange.request.host.removesuffix(":443")
        vault = host.removesuffix(world.domains.vault).rstrip(".")
        document = (
            storage if host == world.domains.arm else secrets if vault in world.vaults else None
        )
        path = urlsplit(exchange.request.url).path
        operation = document.operation(exchange.request.method, path) if document else None
        if document and operation:
            yield document, operation, exchange
