"""Fine-tuning: a SAM 2.1 checkpoint learns from a dataset folder."""
