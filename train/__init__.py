"""How a task learns: recipes, strategies, the loop, schedules, metrics, checkpoints."""
