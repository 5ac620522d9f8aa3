"""Learner, stream and record together."""
