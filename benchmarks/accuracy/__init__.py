"""How good estimates and forecasts are, held against a truth that is computed apart from them."""
