"""One direction through all arrays at once, and the search for what it finds wrong."""
