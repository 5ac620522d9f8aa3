"""Pages of one file, without a server: the lab's first panel live, and a run as it was recorded."""
