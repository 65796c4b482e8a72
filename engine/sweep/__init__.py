"""Find what is due in a vault, and send an incident's secrets to be replaced."""
