"""The refine service: a loose annotation in, the object's outline written back."""
