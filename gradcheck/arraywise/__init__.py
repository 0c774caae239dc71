"""What joint directions leave open: directions for each array by itself, columns of a matrix, and their searches."""
