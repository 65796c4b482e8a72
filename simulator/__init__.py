"""Azure on loopback, for tests and demos: the services that Rekey calls. Never deployed.

Each service refuses what the real one refuses.
"""
