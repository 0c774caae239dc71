"""Directions for each array or each row by itself, what they certify, and the search for what they find wrong."""
