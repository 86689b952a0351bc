"""Prunella heals: a Kubernetes operator that sees a fault, records it, mends it, proves it and tells people."""

__version__ = "0.1.0"
