"""The app's own storage account: leases, records and queues."""
