"""Training of models for the service; it may import the service's geometry and segmenter, never the reverse."""
