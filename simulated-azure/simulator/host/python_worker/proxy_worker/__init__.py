"""Stands for the package `proxy_worker` of azure-functions-python-worker.

The host talks to it over a socket, not gRPC.
"""
