"""Which models to try: from an experiment to its plan, its trials and their results."""
