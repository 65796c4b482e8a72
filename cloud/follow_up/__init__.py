"""Apps that use secrets, and chat webhooks."""
