"""Incidents: what one decision reads and prepares, at which pace, and what is told of it."""
