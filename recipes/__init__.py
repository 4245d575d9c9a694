"""Recipes: a YAML file for each task, with its data and the script that made the data."""
