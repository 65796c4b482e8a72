"""Azure made real: clients, vaults, leases, queues, telemetry, events. SDKs load when first used."""
