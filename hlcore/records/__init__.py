"""What is kept of a run: records, checkpoints, snapshots, files."""
