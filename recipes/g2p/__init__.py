"""English spelling to sound: the CMU Pronouncing Dictionary, and the recipe to train on it."""
