"""Joint estimation of states, parameters and sensors of a process model, for many units at once."""
