"""Which resources of a kind with two keys there are, for whoever looks for what to adopt."""

from __future__ import annotations

from collections.abc import AsyncIterator

from cloud.rest.client import Json
from engine.contract import Seen
from engine.errors import RekeyError
from rotators.shared.key_facts import Facts, text_of
from rotators.shared.key_source import KeySource


async def resources_with_keys(
    facts: Facts, source: KeySource, subscription: str, group: str | None
) -> AsyncIterator[Seen]:
    """Stream the resources that take keys, of every type before a type's error is raised."""
    scope = f"/subscriptions/{subscription}" + (f"/resourcegroups/{group}" if group else "")
    problems: list[RekeyError] = []
    for top in facts.tops:
        try:
            async for resource in source.resources(scope, f"providers/{top}"):
                async for holder in _holders(facts, source, resource, top):
                    name = facts.canonical(text_of(holder, "id"), {})
                    if name and not source.switch(holder):
                        switched = holder if facts.switched_below else resource
                        yield Seen(name, facts.pairs[0].first.name, source.way_off(switched))
        except RekeyError as error:
            problems.append(error)
    for problem in problems:
        raise problem


async def _holders(
    facts: Facts, source: KeySource, resource: Json, top: str
) -> AsyncIterator[Json]:
    """Stream what of a resource at the top has two keys, where it takes keys at all.

    Rules of a namespace's entities are many, and seldom used by an app alone.
    """
    part = facts.parts.get(top.lower())
    if part is None:
        yield resource
    elif not source.switch(resource):
        async for holder in source.resources(text_of(resource, "id"), part):
            yield holder
