"""Faults of objects that are no workloads: one file a kind, with what is kept of it and what is a fault of it."""
