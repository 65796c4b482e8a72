"""`make demo`: Rekey at work on a simulated Azure, from the first event to the proof that every value opens its source."""
