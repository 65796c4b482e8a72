"""Histories of docs/history.md: what they tell, and the promises. Nothing of the product is used."""
