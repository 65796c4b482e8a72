"""The one decision, and the lists, plans and histories derived from it."""
