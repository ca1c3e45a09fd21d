"""What a model says, looked at for harm: a filter of rules, and what it finds."""
