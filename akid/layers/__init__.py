"""Leaf blocks: what a brain is made of."""
