"""Logs, spans and metrics for Azure Monitor."""
