"""Chinese dates to English dates: data generated from CLDR, and the recipe to train on it."""
