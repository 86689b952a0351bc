"""Owners: who else brings an object to what it should be, and what that means for a change of it."""
