"""The conformance kit: what every kind must keep, played against one of one's own."""
