"""The package that the notebooks import: ``from helpers import connect``."""

from helpers.connect import connect

__all__ = ["connect"]
