"""Key Vault secrets: the state of vaults, the data plane that serves them, and the events that they send."""
