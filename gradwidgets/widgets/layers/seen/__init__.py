"""What of a measured network is seen: its layers' values, where these are healthy, what is beside them."""
