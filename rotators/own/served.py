"""The kinds that the settings' endpoints offer; what speaks to them loads when one is used."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from cloud.azure import Azure
from cloud.endpoints import SETTING, Endpoint
from cloud.signing_keys import SigningKeys
from engine.contract import Rotator
from engine.ports import Clock
from rotators.own.plugin_spec import PluginSpec


def served(endpoints: Iterable[Endpoint], keys: SigningKeys) -> tuple[PluginSpec, ...]:
    """Return one spec an endpoint."""
    return tuple(
        PluginSpec(endpoint.kind, f"the setting {SETTING}", partial(_make, endpoint, keys))
        for endpoint in endpoints
    )


def _make(endpoint: Endpoint, keys: SigningKeys, azure: Azure, clock: Clock) -> Rotator:
    from rotators.own.endpoint import rotator

    return rotator(endpoint, azure, clock, partial(keys.read, endpoint.key))
