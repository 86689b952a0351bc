"""Known: what is remembered as good, of revisions, of ConfigMaps and of runs that were made up for."""
