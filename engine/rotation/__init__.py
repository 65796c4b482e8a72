"""Act on one decision, under the lease of the source."""
