"""Why a gradient does not come, or says nothing, where it does not."""
