"""A local Azure Functions host: runs an app with Microsoft's Python worker. Never deployed."""
