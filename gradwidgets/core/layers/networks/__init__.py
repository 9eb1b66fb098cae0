"""Networks built to order, and what mean-field theory predicts for them."""
