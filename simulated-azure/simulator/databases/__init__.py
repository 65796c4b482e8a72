"""PostgreSQL and MySQL Flexible Servers: their state, and a stand-in for their drivers."""
