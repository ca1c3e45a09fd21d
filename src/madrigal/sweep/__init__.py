"""Many runs of one recipe with other values of some keys: what to try, and which key mattered."""
