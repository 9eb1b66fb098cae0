"""A training that is watched: what is sampled, recorded, kept in a file and compared."""
