"""The paper's experiments (App. E) as one command: python -m hlcore.grid."""
