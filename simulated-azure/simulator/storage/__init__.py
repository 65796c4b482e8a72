"""Storage accounts: blobs, queues and their authorization."""
