"""What comes before there is an app.

What could be served, what the template is told, what is in the way.
"""
