"""Recipes: YAML files, with their data and the scripts that make the data."""
