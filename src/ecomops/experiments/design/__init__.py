"""How many units an experiment needs, what it can find with those it has, and how long that takes."""
