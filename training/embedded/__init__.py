"""The embedded model: a small SAM 2.1 trained from drawn tissue, so that the service runs offline."""
