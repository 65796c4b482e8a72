"""What follows a rotation: apps to refresh, owners to notify."""
