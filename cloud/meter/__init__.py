"""Counts the calls to Azure and estimates their cost."""
