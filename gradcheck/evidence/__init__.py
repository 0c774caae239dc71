"""What is learned about the entries of a derivative one by one, one method a module."""
