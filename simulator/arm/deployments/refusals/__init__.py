"""What Azure refuses, one module for each part of it; beside each refusal stands who says so."""
