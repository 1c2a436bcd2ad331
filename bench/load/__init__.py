"""Many people at once: what they do, what the service makes of it, and how much of it a deployment carries."""
