"""The plain data that every part of the engine speaks of."""
