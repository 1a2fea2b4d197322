"""Light scatter of a real plate of yeast cultures, forecast hour by hour."""
