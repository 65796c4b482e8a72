"""Azure on loopback, for tests and demos.

Each service refuses what the real one refuses.
"""
