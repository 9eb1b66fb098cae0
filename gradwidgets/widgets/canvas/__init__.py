"""A live picture in the page: its renderer, its encoders, what it hears."""
