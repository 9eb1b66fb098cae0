"""What happens in the course of a training: a sum that is noted, an odd batch, a gradient that is gone, a warm-up."""
