"""Every kind of credential that Rekey rotates: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cloud.azure import Azure
from engine.contract import Rotator
from engine.ports import Clock
from rotators.service_principal_secret import ServicePrincipalSecret
from rotators.sql_admin_password import SqlAdminPassword
from rotators.sql_login_password import SqlLoginPassword
from rotators.storage_key import StorageKey

type Maker = Callable[[Azure, Clock], Rotator]

ROTATORS: tuple[Maker, ...] = (
    StorageKey,
    ServicePrincipalSecret,
    SqlAdminPassword,
    SqlLoginPassword,
)


def build(azure: Azure, clock: Clock, makers: Sequence[Maker] = ROTATORS) -> Mapping[str, Rotator]:
    """Return one rotator of every kind, by kind; raises ValueError if two share a name."""
    rotators = [make(azure, clock) for make in makers]
    by_kind = {rotator.kind: rotator for rotator in rotators}
    if len(by_kind) != len(rotators):
        raise ValueError("two rotators share a kind")
    return by_kind
