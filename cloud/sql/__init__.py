"""Database servers over Microsoft's driver."""
