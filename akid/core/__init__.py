"""What a model is: blocks, systems, brains, the clock and the seeds behind them."""
