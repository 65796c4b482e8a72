"""One file per kind of credential, their contract, and the registry."""
