"""Runs: one attempt from its first guard to its last proof, effect by effect."""
