"""Telling people: escalation and notices."""
