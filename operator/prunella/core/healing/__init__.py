"""Healing: plan, guards, known-good, steps, verification."""
