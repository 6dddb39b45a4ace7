"""Ready-made brains."""
