"""A chat with every setting of the API, for lesson 15.

Pure modules: settings (what is sent, as JSON and as Python), answer (tokens and their colours),
costs. chat asks the endpoint; widgets shows it all, and alone imports ipywidgets.
"""

from helpers.playground.widgets import playground

__all__ = ["playground"]
