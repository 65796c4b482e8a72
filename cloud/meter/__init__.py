"""Which calls are made, and what they cost."""
