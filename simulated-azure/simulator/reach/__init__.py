"""How the simulator is reached: a TLS server, an in-process transport, names and certificates."""
