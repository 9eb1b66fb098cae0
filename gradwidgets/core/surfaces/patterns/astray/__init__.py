"""Why a loss is lowest elsewhere than at its target: what is changed a little, and then leads there."""
