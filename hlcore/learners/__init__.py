"""One file, one learner."""
