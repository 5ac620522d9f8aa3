"""One lab's picture each."""
