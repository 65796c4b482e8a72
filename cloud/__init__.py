"""The adapters to Azure: clients, vaults, leases, queues, telemetry. SDKs load at first use."""
