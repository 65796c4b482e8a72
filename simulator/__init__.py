"""Azure on loopback: the services that Rekey speaks to, as unforgiving as the real ones. Never deployed."""
