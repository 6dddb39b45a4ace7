"""How a model learns: schedules, kongfus, engines, checkpoints and the kid."""
