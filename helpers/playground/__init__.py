"""A chat with every setting of the API, for lesson 15.

Pure modules: settings (what is sent, as JSON and as Python), answer (tokens and their
probabilities), rendering (both as HTML), costs. chat asks the endpoint. controls, endpoint, views
and widgets show it all, and alone import ipywidgets.
"""

from helpers.playground.widgets import playground

__all__ = ["playground"]
