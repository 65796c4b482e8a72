"""The HTTP API: who may ask what, and the answers; free of the Functions runtime."""
