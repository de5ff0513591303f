"""A simulated Azure on this computer.

It has an inference endpoint with a real but tiny language model, an identity endpoint for access
tokens, and a control plane that manages deployments.

This package imports nothing from the rest of the kit and runs alone: ``python -m simulated_azure``.
"""

__version__ = "0.1.0"
