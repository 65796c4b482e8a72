"""The pages for people: the inventory, one secret, and the page of a problem."""
