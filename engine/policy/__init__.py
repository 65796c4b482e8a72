"""The policy document: its text, its schema, its checks and its changes."""
