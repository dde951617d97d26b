"""The classes of the shipped network."""

CLASSES = ("background", "blood cell", "spirochaete")
"""Their names, in the order of the indices."""
BACKGROUND, BLOOD_CELL, SPIROCHAETE = range(3)
COLOURS = ((0.0, 0.0, 0.0), (1.0, 0.35, 0.1), (0.1, 0.85, 1.0))
"""RGB from 0 to 1 in which pictures and plots show the classes."""
