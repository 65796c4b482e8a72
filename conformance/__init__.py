"""The conformance kit: what every kind of credential must do, played against a kind of one's own."""
