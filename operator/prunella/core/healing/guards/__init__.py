"""Guards: everything that is asked before something is done; each refuses with a reason."""
