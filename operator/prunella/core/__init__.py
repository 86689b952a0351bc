"""The pure core: facts and now in, decisions out."""
