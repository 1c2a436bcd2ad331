"""Ways to run the image encoder, and which of them a machine uses."""
