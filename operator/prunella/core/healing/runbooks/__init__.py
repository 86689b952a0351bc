"""Runbooks: which one fits, whether it is sound, and the plan that it comes to."""
