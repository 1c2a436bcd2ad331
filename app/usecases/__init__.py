"""What the service does, one verb per file; it knows only geometry, errors and its own ports."""
