"""The HTTP side: webhook, probes, metrics."""
