"""What joint directions, and entries by themselves where these leave it open, show of a gradient or a Jacobian."""
