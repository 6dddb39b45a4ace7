"""Jokers: random changes to images that leave their meaning (data augmentation), by kind."""
