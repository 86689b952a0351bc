"""Orchestration over ports: no vendor, no wire."""
