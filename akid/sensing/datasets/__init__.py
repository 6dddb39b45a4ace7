"""Data sets: one file for each, and how their files are found, fetched and read."""
