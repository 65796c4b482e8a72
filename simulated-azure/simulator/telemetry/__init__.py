"""Application Insights: the ingestion endpoint for exporters, and the tables for queries."""
