"""Contracts: test suites for one's own blocks, sources and jokers."""
