"""How a model learns: schedules, kongfus (optimisers), engines, checkpoints and the kid."""
