"""Why a loss is lowest elsewhere than at its target: small changes of it that make it lead there."""
