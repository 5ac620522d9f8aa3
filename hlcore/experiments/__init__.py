"""Named, seeded set-ups (being built)."""
