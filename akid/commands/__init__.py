"""The commands of `python -m akid.sweep`, one a file.

Each has `add_arguments(parser)` and `run(options)`, which returns an exit code.
"""
