"""The policy document: its text, its schema, its checks, its changes and its store."""
