"""What Azure refuses: one module for each provider, with the source beside each refusal."""
