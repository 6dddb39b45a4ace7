"""Layers: the leaf blocks of a model, one file for each kind."""
