"""Windows of a slide as RGB arrays that know their place."""
