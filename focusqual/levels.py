"""The defocus levels that everything else speaks of.

Level k is the blur of k x 2 micrometers of defocus with an aperture of 0.5, light of 500 nm, in
air, and pixels of 0.65 micrometers: about 3 pixels of blur diameter a level.
"""

LEVELS = 11
"""How many there are: 0, in focus, to 10."""

LEVEL_DEPTH = 2.0
"""Micrometers of defocus from one level to the next."""
