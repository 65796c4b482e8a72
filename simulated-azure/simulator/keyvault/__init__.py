"""Key Vault secrets: the state of vaults, the data plane, and the events that vaults send."""
