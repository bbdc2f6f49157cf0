"""The texts of the workflows: a module each declares them, with the values that their files may use."""

from hookline.texts import render

__all__ = ["render"]
