"""Around: what one decision may know of the rest of the cluster, from the cache alone."""
