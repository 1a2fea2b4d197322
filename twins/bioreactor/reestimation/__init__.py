"""Parameter re-estimation over a run so far: question, history, draws, what is left of the doubt, the forecast."""
