"""Transports of messages: one a file."""
