"""Networks that are built here, and what theory says of them."""
