"""The Incident: correlation, lifecycle, priority, ownership, times."""
