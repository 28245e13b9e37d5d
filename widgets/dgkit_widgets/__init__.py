"""Live widgets for dgkit's course: controls and pictures of a model that trains in this very kernel.

Every widget is a plain Python object first: what a button does is a method, and what the browser shows are traits.
"""

__all__: list[str] = []
