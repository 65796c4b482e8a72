"""The one decision, and what follows from it for lists, plans and histories."""
