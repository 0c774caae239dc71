"""What a check found: a frozen value, and what is made of it: text, figures, files."""
