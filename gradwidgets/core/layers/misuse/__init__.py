"""Single operations of a model that cannot have been meant so, told from autograd's graph."""
