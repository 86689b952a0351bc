"""Effects: the few things that are ever done to what is not Prunella's own, as data."""
