"""The package that the notebooks import: ``from helpers import connect``."""

from helpers.connect import connect
from helpers.servers import which_server

__all__ = ["connect", "which_server"]
