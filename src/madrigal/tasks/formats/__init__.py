"""Record formats: how each is known by its fields, and how its rows become examples."""
