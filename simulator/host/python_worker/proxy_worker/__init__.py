"""Stands for the package `proxy_worker` of azure-functions-python-worker; the host talks to it over a socket, not gRPC."""
