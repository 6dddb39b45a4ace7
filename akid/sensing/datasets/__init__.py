"""The data sets, one file each, and where they lie."""
