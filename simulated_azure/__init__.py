"""A simulated Azure on this computer: an inference endpoint with a real, tiny language model, and an identity endpoint.

It imports nothing from the rest of the kit and runs alone: ``python -m simulated_azure``.
"""

__version__ = "0.1.0"
