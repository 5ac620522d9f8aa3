"""What the panel draws."""
