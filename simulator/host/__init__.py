"""A local Azure Functions host: runs a function_app.py with Microsoft's own Python worker library. Never deployed."""
