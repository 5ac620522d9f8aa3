"""A chain of blocks whose backward pass recomputes the states instead of storing them."""
