"""What comes before there is an app: what could be served, what the template is told, what is in the way."""
