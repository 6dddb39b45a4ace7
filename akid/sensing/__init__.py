"""What a model sees: sources, samplers, jokers and sensors."""
