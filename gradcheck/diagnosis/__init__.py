"""What kind of mistake explains the evidence."""
