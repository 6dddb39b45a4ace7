"""Deployment: files that bring a cluster up, all rendered from one small set of values."""
