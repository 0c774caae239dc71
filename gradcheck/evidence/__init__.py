"""What is learned about the entries of a derivative, one method a module."""
