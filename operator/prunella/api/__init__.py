"""The kinds of prunella.dev: one a file."""
