"""Azure SQL servers, over TDS and in process."""
