"""Learning from the lab: what people accepted and corrected becomes better weights, if they are better."""
