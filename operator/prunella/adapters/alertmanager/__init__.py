"""Alertmanager's two ends: the body of its webhook, and the poll of its API."""
