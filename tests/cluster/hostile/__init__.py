"""Attacks on the running operator. A package, so that its modules share one operator, which ends with the last of them."""
