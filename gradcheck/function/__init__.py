"""f and the derivative under test: called safely, counted, within a budget."""
