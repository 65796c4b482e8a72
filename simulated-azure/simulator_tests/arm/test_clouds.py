"""Which api-versions each of Azure's clouds offers."""

from __future__ import annotations

from simulator.arm.clouds import PUBLIC, cloud_of, offered


def test_the_public_cloud_offers_all_and_another_only_what_it_has() -> None:
    versions = ("2023-05-01", "2025-06-01", "2026-09-01")
    assert offered(PUBLIC, "Microsoft.Storage", versions) == versions
    assert offered("AzureUSGovernment", "microsoft.storage", versions) == versions[:2]
    assert offered("AzureChinaCloud", "Microsoft.Unheard", versions) == versions[:1]
    assert cloud_of("management.usgovcloudapi.net") == "AzureUSGovernment"
    assert cloud_of("management.localhost:443") == PUBLIC
