"""A database server that real drivers sign in to: TDS 8.0 (TLS first) on loopback."""
