"""The referees: derivatives and figures from outside the package under test.

Nothing here imports `gradcheck`, so that referee and player share no code.
"""
