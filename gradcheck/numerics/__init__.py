"""From values of f along a line to a derivative with an error bar."""
