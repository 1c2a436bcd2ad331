"""torch and SAM 2: device, checkpoints, encoding, decoding. The only room that knows torch."""
