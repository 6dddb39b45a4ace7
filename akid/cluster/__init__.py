"""Where trials run: resources, GPUs and the connection to Ray."""
