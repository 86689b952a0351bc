"""The steps of a Runbook: one a file."""
