"""A saved check, made again; two reports compared."""
