"""Make slides from the cores of the lessons: a page for each, which needs no network."""
