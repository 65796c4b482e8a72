"""PostgreSQL and MySQL servers over their own protocols, always by verified TLS."""
