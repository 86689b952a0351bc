"""Notation: the small languages in which Runbooks and objects are written, read once: places, labels, matchers, queries, schedules, parameters."""
