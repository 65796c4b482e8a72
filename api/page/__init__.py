"""The pages for people: the inventory, one secret, and what stands in their place when something is wrong."""
