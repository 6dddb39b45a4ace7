"""What a model sees: sources of data, sensors that batch them, and jokers that augment them."""
