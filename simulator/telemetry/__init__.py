"""Application Insights: the ingestion endpoint that exporters post to, and the tables that queries read."""
