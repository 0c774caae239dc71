"""x: its tree, the names of its entries, its bounds."""
