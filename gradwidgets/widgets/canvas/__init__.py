"""A live picture in the page: its renderer, its encoders, and the messages it accepts."""
