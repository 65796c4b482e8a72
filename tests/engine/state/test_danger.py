"""Many leaks at once: what opens most, and works, is cut off first."""

from __future__ import annotations

from engine.state.incident import danger
from rotators.service_principal_secret import ServicePrincipalSecret
from rotators.sql_login_password import SqlLoginPassword
from rotators.storage_key import StorageKey
from rotators.storage_sas import StorageSas


def test_leaks_come_in_the_order_of_what_they_open_then_of_how_long_they_work() -> None:
    ordered = [
        danger(ServicePrincipalSecret),
        danger(ServicePrincipalSecret, is_current=False),
        danger(StorageKey),
        danger(None, is_current=False),
        danger(SqlLoginPassword),
        danger(StorageSas, is_current=False),
        danger(ServicePrincipalSecret, is_alive=False),
        danger(ServicePrincipalSecret, is_copy=True),
    ]
    assert sorted(ordered) == ordered
