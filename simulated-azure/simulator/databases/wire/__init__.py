"""Database servers and caches that speak their own protocols on loopback, to the real clients."""
