"""What a rotation brings with it: apps to refresh, owners to notify."""
