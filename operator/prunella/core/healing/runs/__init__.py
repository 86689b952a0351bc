"""Runs: how one goes on after its first effect, what proves it, and what the Incident tells of it."""
